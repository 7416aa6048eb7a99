"""Many backends, high numbers, and addresses of every scope."""

import contextlib
import ipaddress
import pathlib
import time

import pytest

from lab import SLACK, cpu_seconds, pool_of, service, vip, wait_for
from servers import Answerer, Talker, who

COUNT = 2000
SECONDS = 4
PORT, TALKING = 8000, 8081
NETWORK = {4: "10.1.0.0/16", 6: "fd00:1::/64"}


@pytest.fixture(scope="module")
def many(network):
    """Addresses of backends, all of them b1's, half of them of each family."""
    b1 = network.backends[0]
    found = []
    for family in 4, 6:
        net = ipaddress.ip_network(NETWORK[family])
        found += [str(net[256 + n]) for n in range(COUNT // 2)]
        network.lb.run("ip", f"-{family}", "route", "add", NETWORK[family],
                       "via", b1.ip[family])
    batch = network.write("addresses", "".join(
        f"addr add {address} dev lo\n" for address in found))
    b1.run("ip", "-batch", batch)
    server = network.serve(Answerer())
    server.bind(b1, "0.0.0.0", PORT)
    server.bind(b1, "::", PORT)
    return [{"address": address} for address in found]


@pytest.mark.parametrize("kind", ["icmp", "tcp"])
def test_2000_backends_are_all_asked_in_time(lab, many, capsys, kind):
    check = {"type": kind, "interval": f"{SLACK}s", "fast_interval": f"{SLACK}s",
             "timeout": f"{500 * SLACK}ms"}
    daemon = lab.start(
        service("web", many, [PORT], pool={"check": check}),
        backend_networks=["10.0.0.0/24", "fd00::/64", *NETWORK.values()])

    def healthy():
        states = daemon.counters().backends.values()
        return all(state.get("health") == "up" for state in states)
    wait_for("the first round", healthy, 10)
    pid, (tid,) = daemon.balancer, daemon.threads("failover")
    before, used, began = daemon.counters(), cpu_seconds(pid, tid), time.monotonic()
    time.sleep(SECONDS * SLACK)
    after, used = daemon.counters(), cpu_seconds(pid, tid) - used
    took = time.monotonic() - began
    probes = [state["probes"] - before.backends[key]["probes"]
              for key, state in after.backends.items()]
    with capsys.disabled():
        print(f"\n{COUNT} backends, {kind}, every {SLACK} s: failover used "
              f"{100 * used / took:.1f} % of a core, {min(probes)} to "
              f"{max(probes)} probes each in {took:.1f} s")
    assert SECONDS - 1 <= min(probes) and max(probes) <= took / SLACK + 2
    assert sum(state["failures"] for state in after.backends.values()) == 0
    assert used < took / 2
    assert len(daemon.changes(health="down")) == 0
    assert {who(lab.client, vip(f), PORT) for f in (4, 6)} == {"b1"}


def test_one_of_2000_that_dies_is_found(lab, many):
    dead = many[7]["address"]
    check = {"type": "icmp", "interval": f"{SLACK}s", "fast_interval": "200ms",
             "timeout": f"{150 * SLACK}ms", "fall": 2}
    daemon = lab.start(
        service("web", many, [PORT], pool={"check": check}),
        backend_networks=["10.0.0.0/24", "fd00::/64", *NETWORK.values()])
    daemon.wait_state("web", dead, 10, health="up")
    b1 = lab.backends[0]
    b1.run("iptables", "-w", "-I", "INPUT", "-d", dead, "-j", "DROP")
    try:
        daemon.wait_state("web", dead, health="down")
        down, = daemon.changes(health="down")
        assert down.address == dead
    finally:
        b1.run("iptables", "-w", "-D", "INPUT", "-d", dead, "-j", "DROP")
    daemon.wait_state("web", dead, health="up")


@contextlib.contextmanager
def high_pids():
    """The next processes have numbers above 65535."""
    most = pathlib.Path("/proc/sys/kernel/pid_max")
    last = pathlib.Path("/proc/sys/kernel/ns_last_pid")
    before = most.read_text(), last.read_text()
    most.write_text(str(max(200000, int(before[0]))))
    try:
        last.write_text("70000")
        yield
    finally:
        last.write_text(before[1])
        most.write_text(before[0])


def test_pid_above_65535_is_no_trouble_for_pings(lab, answerer, family):
    """An echo has 16 bits to say who asks."""
    with high_pids():
        daemon = lab.start(service("web", lab.backends, [80], pool={"check": {
            "type": "icmp", "interval": "200ms",
            "timeout": f"{150 * SLACK}ms"}}))
        assert daemon.proc.pid > 65535 and daemon.balancer > 65535
    daemon.wait_health("up", "web", *lab.backends)
    for host in lab.backends:
        wait_for("more probes", lambda h=host: daemon.state(
            "web", h.ip[family])["probes"] >= 5)
        assert daemon.state("web", host.ip[family])["failures"] == 0


@pytest.fixture(scope="module")
def talking(network):
    talker = network.serve(Talker())
    talker.bind(network.backends[0], "::", TALKING)
    talker.set(network.backends[:1], [TALKING], b"HTTP/1.0 200 fine\r\n\r\n")


@pytest.mark.parametrize("kind", ["icmp", "tcp", "http"])
def test_link_local_and_global_addresses_are_asked(lab, talking, kind):
    b1 = lab.backends[0]
    members = [{"address": address} for address in (b1.link_local(), b1.ip[6])]
    check = {"type": kind, "interval": "200ms", "timeout": f"{150 * SLACK}ms",
             "fast_interval": "200ms", "fall": 2}
    if kind != "icmp":
        check["port"] = TALKING
    lab.start(service("web", lab.backends, [80]),
              pools=[pool_of("both", members, check=check)],
              backend_networks=["10.0.0.0/24", "fd00::/64", "fe80::/64"])
    for member in members:
        lab.daemon.wait_state("both", member["address"], health="up")
    with lab.unplugged(b1):
        for member in members:
            lab.daemon.wait_state("both", member["address"], health="down")
    for member in members:
        lab.daemon.wait_state("both", member["address"], 10, health="up")
