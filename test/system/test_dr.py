"""Direct routing: packets go to a backend as they came, answers go past us.

Backends have the VIPs on their loopback and a second interface, eth1, in the
clients' network. What has a backend's own address as its source still goes
through lb, so that nat works too.
"""

import collections
import contextlib
import re

import pytest

from lab import Lab, backend, family_of, service, url, vip, wait_for
from servers import (Answerer, Asker, ask, connect, start_iperf, start_nginx,
                     start_server, who)

DR, BOTH = 3, 4         # VIPs that lb has no address of
CONTROL = 9000          # a port that is checked, while others serve
QUICK = {"interval": "200ms", "fast_interval": "200ms", "timeout": "150ms",
         "fall": 2, "rise": 2}
VIA_VIP = dict(QUICK, type="tcp", via="vip")


def make_direct(lab, host, number):
    """What the manual asks of a backend, and a way to the clients."""
    host.sysctl("net.ipv4.conf.all.arp_ignore=1",
                "net.ipv4.conf.all.arp_announce=2")
    lab.plug("br-pub", host, "eth1")
    host.add_address(f"172.16.200.{number}/16", "eth1")
    host.add_address(f"fd01:0:0:200::{number}/48", "eth1")
    for family, gateway in (4, "10.0.0.254"), (6, "fd00::fe"):
        for address in DR, BOTH:
            host.add_address(vip(family, address), "lo")
        host.run("ip", f"-{family}", "rule", "add", "from", host.ip[family],
                 "lookup", "100")
        host.run("ip", f"-{family}", "route", "add", "default", "via", gateway,
                 "table", "100")


@pytest.fixture(scope="module")
def network(machine):
    lab = Lab(setup=["-a"])
    try:
        for number, host in enumerate(lab.backends, 1):
            make_direct(lab, host, number)
        yield lab
    finally:
        lab.close()


@pytest.fixture(scope="module")
def answerer(network):
    """UDP has to be bound to the address that it answers from."""
    server = network.serve(Answerer())
    for host in network.backends:
        for anybody in "0.0.0.0", "::":
            for port in 80, 81, CONTROL:
                server.bind(host, anybody, port)
        for family in 4, 6:
            server.bind(host, vip(family, DR), 53, "udp")
    return server


def direct(name, backends, ports, **settings):
    settings = {"vips": (DR,), "forward": "dr", **settings}
    return service(name, backends, ports, **settings)


@contextlib.contextmanager
def answers_seen(lab, *addresses):
    """Counts what has passed lb with such a source; a call gives the number."""
    rules = [("iptables" if family_of(a) == 4 else "ip6tables", "-w", "-t",
              "mangle", a) for a in addresses]

    def count():
        total = 0
        for *tool, address in rules:
            text = lab.lb.run(*tool, "-nvxL", "PREROUTING").stdout
            total += sum(int(line.split()[0]) for line in text.splitlines()
                         if address in line)
        return total
    for *tool, address in rules:
        lab.lb.run(*tool, "-I", "PREROUTING", "-s", address)
    try:
        yield count
    finally:
        for *tool, address in rules:
            lab.lb.run(*tool, "-D", "PREROUTING", "-s", address)


# --- packets ---------------------------------------------------------------

@pytest.fixture(scope="module")
def web(network):
    for host in network.backends:
        start_nginx(network, host, 8000)
    start_iperf(network, network.backends[0])
    network.start(direct("web", network.backends, [8000]),
                  direct("iperf", network.backends[:1], [5201]),
                  workers={"cores": "0-1", "queue_length": 16384})
    return network


def fetch(lab, family, *words):
    return lab.client.run("curl", "-sS", "-m", "10", *words,
                          url(family, 8000, DR)).stdout.split()


def test_pages_come_from_all_backends_and_past_the_balancer(web, family):
    before = web.daemon.counters()
    with answers_seen(web, vip(family, DR), "172.16.200.0/24") as seen:
        pages = [fetch(web, family) for _ in range(9)]
        assert seen() == 0
    assert collections.Counter(page[0] for page in pages) == {
        "b1": 3, "b2": 3, "b3": 3}
    assert {page[1] for page in pages} == {web.client.address(family)}
    assert {page[3] for page in pages} == {"8000"}
    after = web.daemon.counters()
    assert after.reason("new") == before.reason("new") + 9
    assert after.reason("reply") == before.reason("reply") == 0
    assert after["sent"] == before["sent"]


def test_client_port_is_preserved(web, family):
    port = str(15000 + family)
    assert fetch(web, family, "--local-port", port)[2] == port


def test_the_vip_answers_clients_of_its_own_network(web, family):
    """By ARP and NDP, though no interface has it as its address."""
    target = vip(family, DR)
    web.client.run("ip", f"-{family}", "route", "add", target, "dev", "eth0")
    try:
        assert fetch(web, family)[0] in {"b1", "b2", "b3"}
        neighbour = web.client.run("ip", f"-{family}", "neigh", "show", target).stdout
        assert web.lb.mac("pub") in neighbour
    finally:
        web.client.run("ip", f"-{family}", "route", "del", target)


def test_much_data_to_a_backend_passes_whole(web, family):
    before = web.daemon.counters()
    done = web.client.run("iperf3", "-c", vip(family, DR), "-n", "128M", "-J")
    assert '"error"' not in done.stdout
    after = web.daemon.counters()
    assert after.reason("truncated") == 0
    assert after["dropped"] == before["dropped"]
    assert after["sent"] == before["sent"]


def test_a_port_without_a_service_reaches_no_backend(web, answerer, family):
    """The balancer refuses it in IPv6; in IPv4 it cannot be the VIP's voice."""
    done = web.client.run("curl", "-sS", "-m", "2", url(family, CONTROL, DR), ok=False)
    assert done.returncode == (7 if family == 6 else 28)


def test_a_loose_rp_filter_lets_marked_packets_through(web):
    names = [f"net.ipv4.conf.{where}.{what}" for where in ("pub", "priv")
             for what in ("rp_filter", "src_valid_mark")]
    before = [web.lb.run("sysctl", "-n", name).stdout.strip() for name in names]
    web.lb.sysctl(*[f"{name}={2 if 'rp_' in name else 1}" for name in names])
    try:
        assert fetch(web, 4)[0] in {"b1", "b2", "b3"}
    finally:
        web.lb.sysctl(*map("=".join, zip(names, before)))


# --- flows -----------------------------------------------------------------

def test_udp_stays_with_its_backend(lab, answerer, family):
    lab.start(direct("dns", lab.backends, [53], protocol="udp"))
    with Asker(lab.client, vip(family, DR), 53) as asker:
        answers = [asker.ask() for _ in range(5)]
    assert len({answer.server for answer in answers}) == 1
    assert answers[0].address == lab.client.address(family)
    names = collections.Counter(
        ask(lab.client, vip(family, DR), 53).server for _ in range(6))
    assert names == {"b1": 2, "b2": 2, "b3": 2}


def test_weights_share_connections_out(lab, answerer, family):
    hosts = [backend(host, weight=weight)
             for host, weight in zip(lab.backends, (3, 1, 0))]
    lab.start(direct("web", hosts, [80], scheduler="wrr"))
    names = collections.Counter(
        who(lab.client, vip(family, DR), 80) for _ in range(40))
    assert names == {"b1": 30, "b2": 10}


def test_a_vip_may_have_services_of_both_modes(lab, answerer, family):
    hosts = lab.backends
    lab.start(direct("direct", hosts, [80], vips=(BOTH,)),
              service("nat", hosts, [81], vips=(BOTH,)))
    for port, replies in (80, False), (81, True):
        before = lab.daemon.counters().reason("reply")
        with connect(lab.client, vip(family, BOTH), port) as connection:
            assert connection.echo()
            assert connection.address == lab.client.address(family)
        after = lab.daemon.counters().reason("reply")
        assert (after > before) == replies


def test_with_no_backend_a_connection_is_refused(lab, answerer, family):
    hosts = [backend(host, weight=0) for host in lab.backends]
    lab.start(direct("web", hosts, [80]))
    with pytest.raises(ConnectionRefusedError):
        connect(lab.client, vip(family, DR), 80)


# --- failover --------------------------------------------------------------

def test_a_flow_of_a_lost_backend_is_reset(lab, answerer, family):
    lab.start(direct("web", lab.backends, [80],
                     pool={"check": dict(VIA_VIP, port=CONTROL)}))
    lab.daemon.wait_health("up", "web", *lab.backends)
    connections = [connect(lab.client, vip(family, DR), 80) for _ in range(3)]
    victim = next(c for c in connections if c.server == "b1")
    with lab.backends[0].blackholed("-p", "tcp", "--dport", CONTROL):
        lab.daemon.wait_health("down", "web", lab.backends[0])
        with pytest.raises(ConnectionResetError):
            victim.echo()
        for connection in connections:
            if connection is not victim:
                assert connection.echo()
        names = {who(lab.client, vip(family, DR), 80) for _ in range(6)}
        assert names == {"b2", "b3"}
    for connection in connections:
        connection.close()


def test_a_backend_that_is_killed_gets_no_more_connections(lab, family):
    procs = [start_server(lab, host, "tcp/7000") for host in lab.backends]
    try:
        lab.start(direct("web", lab.backends, [7000], pool={"check": VIA_VIP}))
        lab.daemon.wait_health("up", "web", *lab.backends)
        assert {who(lab.client, vip(family, DR), 7000)
                for _ in range(6)} == {"b1", "b2", "b3"}
        procs[1].kill()
        procs[1].wait()
        lab.daemon.wait_health("down", "web", lab.backends[1])
        assert {who(lab.client, vip(family, DR), 7000)
                for _ in range(6)} == {"b1", "b3"}
        procs[1] = start_server(lab, lab.backends[1], "tcp/7000")
        lab.daemon.wait_health("up", "web", lab.backends[1])
        wait_for("b2", lambda: who(lab.client, vip(family, DR), 7000) == "b2")
    finally:
        for proc in procs:
            proc.kill()
            proc.wait()


@pytest.mark.parametrize("check", [
    {"type": "tcp", "port": 80}, {"type": "http", "port": 8000},
    {"type": "udp", "port": 53, "expect": "b"}, {"type": "icmp"}],
    ids=lambda check: check["type"])
def test_only_a_probe_via_the_vip_misses_it_on_a_backend(lab, web, answerer, check):
    host, others = lab.backends[0], lab.backends[1:]
    for one in lab.backends if check["type"] == "udp" else []:
        for family in 4, 6:
            with contextlib.suppress(OSError):      # it has it already
                answerer.bind(one, one.ip[family], 53, "udp")
    lab.start(
        direct("vip", lab.backends, [80],
               pool={"check": dict(QUICK, **check, via="vip")}),
        direct("own", lab.backends, [81],
               pool={"check": dict(QUICK, **check, via="backend")}))
    for pool in "vip", "own":
        lab.daemon.wait_health("up", pool, *lab.backends)
    for family, length in (4, 32), (6, 128):
        host.run("ip", "addr", "del", f"{vip(family, DR)}/{length}", "dev", "lo")
    try:
        lab.daemon.wait_health("down", "vip", host)
        lab.daemon.wait_health("up", "vip", *others)
        lab.daemon.wait_health("up", "own", *lab.backends)
        assert not lab.daemon.changes(pool="own", health="down")
    finally:
        for family, length in (4, 32), (6, 128):
            host.run("ip", "addr", "add", f"{vip(family, DR)}/{length}", "dev", "lo",
                     *(["nodad"] if family == 6 else []))
    lab.daemon.wait_health("up", "vip", *lab.backends)


def test_nothing_of_it_is_left_when_the_daemon_stops(lab, answerer):
    lab.start(direct("web", lab.backends, [80]))
    rules = lab.lb.run("ip", "rule").stdout + lab.lb.run("ip", "-6", "rule").stdout
    assert re.search("fwmark 0x4c48", rules)
    lab.stop()
    rules = lab.lb.run("ip", "rule").stdout + lab.lb.run("ip", "-6", "rule").stdout
    assert not re.search("fwmark 0x4c48", rules)


def test_routes_come_back_with_the_address(lab, answerer, family):
    """The kernel takes them away with it, and nobody is down for that."""
    pool = {"check": VIA_VIP}
    daemon = lab.start(direct("web", lab.backends, [80], pool=pool))
    wait_for("verdicts", lambda: daemon.text().count(" is up: ") == 6)
    own = "10.0.0.254/24" if family == 4 else "fd00::fe/64"
    lab.lb.run("ip", "addr", "del", own, "dev", "priv")
    lab.lb.run("ip", "addr", "add", own, "dev", "priv",
               *(["nodad"] if family == 6 else []))
    wait_for("routes", lambda: len(lab.lb.run(
        "ip", f"-{family}", "route", "show", "table", "all", "proto",
        "76").stdout.splitlines()) == 3, 1)
    names = {who(lab.client, vip(family, DR), 80) for _ in range(6)}
    assert names == {host.name for host in lab.backends}
    assert " is down: " not in daemon.text()
