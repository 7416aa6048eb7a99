"""Backends that nobody configured are found by a ping to all, and lost."""

import contextlib
import re
import time

import pytest

from lab import SLACK, Lab, service, vip, wait_for
from servers import Answerer, connect, who

CYCLE = 0.2
DISCOVER = {"broadcast": ["10.0.0.255", "ff02::1"], "port": 80, "pool": "web",
            "max": 8, "interval": f"{int(CYCLE * 1000)}ms",
            "timeout": f"{150 * SLACK}ms"}


@pytest.fixture(scope="module")
def network(machine):
    """Everybody answers pings to all, lb too."""
    lab = Lab()
    for host in [lab.lb, *lab.backends]:
        host.sysctl("net.ipv4.icmp_echo_ignore_broadcasts=0")
    yield lab
    lab.close()


class Hosts:
    """Servers on port 80 that come and go."""

    def __init__(self):
        self._servers = {}

    def join(self, *hosts, port=80):
        for host in hosts:
            server = self._servers[host.name, port] = Answerer()
            server.listen(host, port)

    def bind(self, host, address):
        server = self._servers[address, 80] = Answerer()
        server.bind(host, address, 80)

    def leave(self, *hosts, port=80):
        for host in hosts:
            self._servers.pop((host.name, port)).close()

    def close(self):
        for server in self._servers.values():
            server.close()


@pytest.fixture
def hosts(network):
    hosts = Hosts()
    yield hosts
    hosts.close()


def start(lab, backends=(), *, networks=None, pool=None, **settings):
    more = {"backend_networks": networks} if networks else {}
    lab.start(service("web", list(backends), [80], pool=pool),
              failover={"discover": dict(DISCOVER, **settings)}, **more)


def members(lab):
    """Addresses that the log says are in the pool."""
    found = set()
    for word, address in re.findall(
            r"(discovered|gone) pool=web backend=(\S+)\n", lab.daemon.text()):
        (found.add if word == "discovered" else found.discard)(address)
    return found


def addresses(*hosts, families=(4, 6)):
    return {host.ip[family] for host in hosts for family in families}


def wait_members(lab, *hosts, families=(4, 6)):
    wanted = addresses(*hosts, families=families)
    try:
        wait_for("members", lambda: members(lab) == wanted, 8)
    except AssertionError:
        assert members(lab) == wanted, lab.daemon.text()[-4000:]


def wait_served(lab, *names):
    """By these, in both families, once the workers know."""
    def served(family):
        with contextlib.suppress(ConnectionRefusedError):
            return {who(lab.client, vip(family), 80) for _ in range(8)}
    wait_for(f"answers of {names}",
             lambda: served(4) == served(6) == set(names))


def hold(lab, *names):
    """A connection to each of these in each family."""
    held = {}
    for family in 4, 6:
        while len(held) < len(names) * (1 if family == 4 else 2):
            connection = connect(lab.client, vip(family), 80)
            if held.setdefault((connection.server, family),
                               connection) is not connection:
                connection.close()
    return held


def test_hosts_join_and_leave(lab, hosts):
    b1, b2, b3 = lab.backends
    start(lab)
    for family in 4, 6:
        with pytest.raises(ConnectionRefusedError):
            connect(lab.client, vip(family), 80)
    hosts.join(b1)
    wait_members(lab, b1)
    wait_served(lab, "b1")
    hosts.join(b2, b3)
    wait_members(lab, b1, b2, b3)
    wait_served(lab, "b1", "b2", "b3")
    hosts.leave(b1)
    wait_members(lab, b2, b3)
    wait_served(lab, "b2", "b3")
    with lab.unplugged(b2):
        wait_members(lab, b3)
        wait_served(lab, "b3")
    wait_members(lab, b2, b3)
    hosts.join(b1)
    wait_members(lab, b1, b2, b3)
    wait_served(lab, "b1", "b2", "b3")


def test_connections_live_on_while_others_come_and_go(lab, hosts):
    b1, b2, b3 = lab.backends
    start(lab)
    hosts.join(b1)
    wait_members(lab, b1)
    wait_served(lab, "b1")
    held = hold(lab, "b1")
    for _ in range(2):
        hosts.join(b2, b3)
        wait_served(lab, "b1", "b2", "b3")
        assert all(connection.echo() for connection in held.values())
        hosts.leave(b2, b3)
        wait_served(lab, "b1")
        assert all(connection.echo() for connection in held.values())
    for (_, family), connection in held.items():
        assert lab.daemon.state("web", b1.ip[family])["active"] == 1
        connection.close()


def test_own_addresses_never_join(lab, hosts):
    """lb answers its own ping, and serves the port on all that it has."""
    mine = Answerer()
    mine.bind(lab.lb, "0.0.0.0", 80)
    mine.bind(lab.lb, "::", 80)
    lab.lb.run("ip", "addr", "add", "10.0.0.253/24", "dev", "priv")
    try:
        start(lab)
        hosts.join(lab.backends[0])
        wait_members(lab, lab.backends[0])
        time.sleep(4 * CYCLE)
        assert members(lab) == addresses(lab.backends[0])
        wait_served(lab, "b1")
        assert not re.search(r"discovered .*(10.0.0.25[34]|fd00::fe|203.0.113)",
                             lab.daemon.text())
    finally:
        lab.lb.run("ip", "addr", "del", "10.0.0.253/24", "dev", "priv")
        mine.close()


@contextlib.contextmanager
def speaks_as(host, address, network):
    """Its own packets have another address of its own."""
    host.run("ip", "addr", "add", address, "dev", "eth0")
    host.run("ip", "route", "change", network, "dev", "eth0", "src",
             address.split("/")[0])
    try:
        yield
    finally:
        host.run("ip", "route", "change", network, "dev", "eth0", "src",
                 host.ip[4])
        host.run("ip", "addr", "del", address, "dev", "eth0")


def test_vip_never_joins_whoever_has_it(lab, hosts):
    """The other one of a pair of balancers, say, answers the ping with it."""
    b1, b2, _ = lab.backends
    pool, web = service("web", [], [80])
    web["addresses"].append("10.0.0.200")
    with speaks_as(b2, "10.0.0.200/24", "10.0.0.0/24"):
        hosts.bind(b2, "10.0.0.200")
        lab.start((pool, web), failover={"discover": DISCOVER})
        hosts.join(b1, b2)
        wait_for("the others", lambda: members(lab) >= addresses(b1))
        time.sleep(4 * CYCLE)
        assert "10.0.0.200" not in members(lab)
        assert members(lab) == addresses(b1) | {b2.ip[6]}


def test_no_more_join_than_there_may_be(lab, hosts):
    hosts.join(*lab.backends)
    start(lab, max=4)
    wait_for("four", lambda: len(members(lab)) == 4)
    time.sleep(4 * CYCLE)
    assert len(members(lab)) == 4, lab.daemon.text()
    hosts.leave(*lab.backends)
    wait_for("none", lambda: not members(lab))
    hosts.join(*lab.backends)
    wait_for("four", lambda: len(members(lab)) == 4)


def test_only_hosts_of_the_networks_join(lab, hosts):
    b1, b2, b3 = lab.backends
    hosts.join(b1, b2, b3)
    start(lab, networks=["10.0.0.2/31", "fd00::2/127", "fd00::fe/128"])
    wait_members(lab, b2, b3)
    time.sleep(4 * CYCLE)
    wait_members(lab, b2, b3)


def test_found_and_configured_backends_live_side_by_side(lab, hosts):
    """One that is configured is not found, whether it is up or not."""
    b1, b2, _ = lab.backends
    hosts.join(b1, b2)
    start(lab, [b1], pool={"check": {
        "type": "tcp", "port": 80, "interval": "200ms", "fast_interval": "200ms",
        "timeout": f"{150 * SLACK}ms", "fall": 2, "rise": 1}})
    wait_members(lab, b2)
    wait_served(lab, "b1", "b2")
    hosts.leave(b1)
    lab.daemon.wait_health("down", "web", b1)
    wait_served(lab, "b2")
    time.sleep(3 * CYCLE)
    assert members(lab) == addresses(b2)
    hosts.join(b1)
    lab.daemon.wait_health("up", "web", b1)
    wait_served(lab, "b1", "b2")


def test_found_backend_is_checked_like_the_others(lab, hosts):
    b1, b2, _ = lab.backends
    hosts.join(b1, b2)
    hosts.join(b1, port=8080)
    start(lab, pool={"check": {
        "type": "tcp", "port": 8080, "interval": "200ms",
        "fast_interval": "200ms", "timeout": f"{150 * SLACK}ms", "fall": 2}})
    wait_members(lab, b1, b2)
    lab.daemon.wait_health("up", "web", b1)
    lab.daemon.wait_health("down", "web", b2)
    wait_served(lab, "b1")


def test_host_without_the_port_does_not_join(lab, hosts):
    hosts.join(lab.backends[0])
    hosts.join(lab.backends[1], port=8080)
    start(lab)
    wait_members(lab, lab.backends[0])
    time.sleep(4 * CYCLE)
    wait_members(lab, lab.backends[0])


def test_backend_that_left_takes_its_flows_along(lab, hosts):
    b1, b2, _ = lab.backends
    hosts.join(b1, b2)
    start(lab)
    wait_members(lab, b1, b2)
    wait_served(lab, "b1", "b2")
    held = hold(lab, "b1", "b2")
    with b1.blackholed():
        wait_members(lab, b2)
        wait_served(lab, "b2")
        for family in 4, 6:
            started = time.monotonic()
            with pytest.raises(ConnectionResetError):
                held["b1", family].echo()
            assert time.monotonic() - started < SLACK
            assert held["b2", family].echo()
            held["b2", family].close()


def test_who_only_answers_pings_takes_no_turn(lab, hosts):
    """There is place for one, and two of three have nothing on the port."""
    server = lab.backends[2]
    hosts.join(server)
    start(lab, networks=["10.0.0.0/24"], broadcast="10.0.0.255", max=1)
    wait_members(lab, server, families=(4,))


def test_ipv6_is_called_without_being_told(lab, hosts):
    hosts.join(lab.backends[0])
    start(lab, broadcast="10.0.0.255")
    wait_members(lab, lab.backends[0])


def test_a_place_is_free_at_once(lab, hosts):
    first, second, _ = lab.backends
    hosts.join(first)
    start(lab, networks=["10.0.0.0/24"], broadcast="10.0.0.255", max=1)
    wait_members(lab, first, families=(4,))
    hosts.join(second)
    hosts.leave(first)
    wait_members(lab, second, families=(4,))
    wait_for("it to be up", lambda: f"backend={second.ip[4]} port=0 is up: "
             in lab.daemon.text())
    assert who(lab.client, vip(4), 80) == second.name
