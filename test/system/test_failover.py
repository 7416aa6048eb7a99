"""Backends that die in every way: who notices, how soon, and what becomes of
the connections."""

import contextlib
import os
import signal
import threading
import time

import pytest

from lab import SLACK, backend, pool_of, service, vip, wait_for
from servers import SILENT, Asker, Talker, connect, start_server, who

INTERVAL, TIMEOUT, FALL = 0.2, 0.1 * SLACK, 2
CONTROL = 9000      # a port that is checked, while others serve
QUICK = {"interval": "200ms", "fast_interval": "200ms",
         "timeout": f"{100 * SLACK}ms", "fall": FALL, "rise": 2}
BANNER = dict(QUICK, type="tcp", expect="b")
OK, BAD = b"ok\n", b"bad\n"
# What noticing takes at most, and some noise of the machine.
NOTICED = (FALL + 1) * (INTERVAL + TIMEOUT) + 0.5 * SLACK


class Load:
    """New connections all the time, one after the other, from a thread."""

    def __init__(self, lab, family):
        self._lab, self._family = lab, family
        self.served, self.failed = [], []       # (time, name or error)
        self._done = False
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def _loop(self):
        while not self._done:
            try:
                got, to = who(self._lab.client, vip(self._family), 80,
                              timeout=0.3), self.served
            except OSError as error:
                got, to = error, self.failed
            to.append((time.monotonic(), got))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._done = True
        self._thread.join(10 * SLACK)

    def names(self, since):
        return {name for when, name in self.served if when >= since}

    def failures(self, since):
        return [(when - since, error) for when, error in self.failed
                if when >= since]


class Servers:
    """On every backend a process that can be killed; started again as needed."""

    def __init__(self, lab):
        self._lab, self._procs = lab, {}
        self.repair()

    def __getitem__(self, host):
        return self._procs[host.name]

    def repair(self):
        for host in self._lab.backends:
            proc = self._procs.get(host.name)
            if proc is None or proc.poll() is not None:
                self._procs[host.name] = start_server(
                    self._lab, host, "tcp/80", "udp/53")

    def signal(self, host, number):
        os.kill(self[host].pid, number)

    @contextlib.contextmanager
    def killed(self, host):
        self.signal(host, signal.SIGKILL)
        self[host].wait()
        try:
            yield
        finally:
            self.repair()

    @contextlib.contextmanager
    def frozen(self, host):
        self.signal(host, signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(host, signal.SIGCONT)


@pytest.fixture(scope="module")
def all_servers(network):
    return Servers(network)


@pytest.fixture
def servers(all_servers):
    all_servers.repair()
    return all_servers


@pytest.fixture(scope="module")
def control(network):
    """What the backends say on the port that is checked."""
    talker = network.serve(Talker())
    for host in network.backends:
        talker.listen(host, CONTROL)
    return talker


@pytest.fixture
def verdict(lab, control):
    """verdict(host, OK or BAD): says it, and waits until it counts."""
    control.set(lab.backends, [CONTROL], OK)

    def verdict(host, what, pool="web"):
        control.set([host], [CONTROL], what)
        lab.daemon.wait_health("up" if what == OK else "down", pool, host)
    yield verdict


CONTROLLED = dict(QUICK, type="tcp", port=CONTROL, expect="ok")


@contextlib.contextmanager
def fault(lab, servers, kind, host):
    found = {"killed": lambda: servers.killed(host),
             "frozen": lambda: servers.frozen(host),
             "unplugged": lambda: lab.unplugged(host),
             "blackholed": host.blackholed}
    with found[kind]():
        yield time.monotonic()


@pytest.mark.parametrize("kind", ["killed", "frozen", "unplugged", "blackholed"])
def test_clients_are_kept_from_a_dead_backend_and_get_it_back(
        lab, servers, kind):
    lab.start(service("web", lab.backends, [80], pool={"check": BANNER}))
    lab.daemon.wait_health("up", "web", *lab.backends)
    with Load(lab, 4) as v4, Load(lab, 6) as v6:
        with fault(lab, servers, kind, lab.backends[0]) as since:
            lab.daemon.wait_health("down", "web", lab.backends[0])
            # A connection that was under way then may take its time to fail.
            quiet = time.monotonic() + 0.3 * SLACK
            time.sleep(quiet - time.monotonic() + 0.7)
            for load in v4, v6:
                assert not load.failures(quiet)
                assert load.names(quiet) == {"b2", "b3"}
                assert all(when < NOTICED + 0.5 * SLACK
                           for when, _ in load.failures(since))
        lab.daemon.wait_health("up", "web", lab.backends[0], seconds=10)
        for load in v4, v6:
            wait_for("its clients", lambda n=load: "b1" in n.names(quiet), 10)


def test_killed_server_costs_no_live_connection_of_the_others(lab, servers):
    lab.start(service("web", lab.backends, [80], pool={
        "check": dict(QUICK, type="tcp")}))
    lab.daemon.wait_health("up", "web", *lab.backends)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(lab.client, vip(f), 80))
                for f in (4, 6) for _ in range(12)]
        loads = [stack.enter_context(Load(lab, family)) for family in (4, 6)]
        with servers.killed(lab.backends[0]):
            since = time.monotonic()
            time.sleep(NOTICED)
            for load in loads:
                assert all(when < NOTICED for when, _ in load.failures(since))
            for connection in held:
                if connection.server != "b1":
                    assert connection.echo()
                else:
                    with pytest.raises(OSError):
                        connection.echo()


def test_frozen_server_is_up_for_who_only_connects(lab, servers):
    """Its kernel still accepts: only a check with expect sees it."""
    b1 = lab.backends[0]
    lab.start(service("web", [b1], [80], pool={"check": dict(QUICK, type="tcp")}),
              pools=[pool_of("talking", [backend(b1, port=80)], check=BANNER)])
    lab.daemon.wait_health("up", "web", b1)
    with servers.frozen(b1):
        lab.daemon.wait_health("down", "talking", b1)
        time.sleep(3 * INTERVAL)
        for family in 4, 6:
            assert lab.daemon.state("web", b1.ip[family])["health"] == "up"
            assert lab.daemon.state("talking", b1.ip[family])[
                "result"] == "no_answer"


def test_change_is_logged_once_with_its_reason(lab, servers):
    b1 = lab.backends[0]
    lab.start(service("web", lab.backends, [80], pool={
        "check": dict(QUICK, type="tcp")}))
    lab.daemon.wait_health("up", "web", b1)
    with servers.killed(b1):
        lab.daemon.wait_health("down", "web", b1)
        time.sleep(1)
    lab.daemon.wait_health("up", "web", b1)
    changes = lab.daemon.changes(health="down")
    assert {change.address for change in changes} == set(b1.ip.values())
    assert len(changes) == 2
    for down in changes:
        assert (down.text, down.check, down.result, down.streak) == (
            "connection refused", "tcp", "connect_refused", 2)


@pytest.mark.parametrize("on_down", ["reset", "move"])
def test_tcp_flow_of_a_lost_backend_is_reset(
        lab, servers, verdict, family, on_down):
    """At once by loaded, or by the backend that it was moved to."""
    lab.start(service("web", lab.backends[:2], [80], on_down=on_down,
                      pool={"check": CONTROLLED}))
    with contextlib.ExitStack() as stack:
        held = {c.server: c for c in (stack.enter_context(connect(
            lab.client, vip(family), 80)) for _ in range(2))}
        verdict(lab.backends[0], BAD)
        with pytest.raises(ConnectionResetError):
            held["b1"].echo()
        assert held["b2"].echo()
        lab.daemon.wait_reason(
            "backend_down" if on_down == "reset" else "moved")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_flow_of_a_lost_backend_stays_where_that_is_wanted(
        lab, servers, verdict, family, protocol):
    port = 80 if protocol == "tcp" else 53
    lab.start(service("web", lab.backends[:2], [port], protocol=protocol,
                      on_down="keep", pool={"check": CONTROLLED}))
    with contextlib.ExitStack() as stack:
        if protocol == "tcp":
            held = {c.server: c.echo for c in (stack.enter_context(connect(
                lab.client, vip(family), 80)) for _ in range(2))}
        else:
            asks = [stack.enter_context(Asker(lab.client, vip(family), 53))
                    for _ in range(2)]
            held = {a.ask().server: lambda a=a: a.ask().server == "b1"
                    for a in asks}
        verdict(lab.backends[0], BAD)
        assert all(held["b1"]() for _ in range(3))
        lab.daemon.wait_reason("client", 3)


@pytest.mark.parametrize("on_down", ["reset", "move"])
def test_udp_flow_of_a_lost_backend_moves(lab, servers, verdict, family, on_down):
    lab.start(service("udp", lab.backends[:2], [53], protocol="udp",
                      on_down=on_down, pool={"check": CONTROLLED}))
    with contextlib.ExitStack() as stack:
        held = {asker.ask().server: asker for asker in (
            stack.enter_context(Asker(lab.client, vip(family), 53))
            for _ in range(2))}
        verdict(lab.backends[0], BAD, "udp")
        assert {held["b1"].ask().server for _ in range(3)} == {"b2"}
        assert held["b2"].ask().server == "b2"
        lab.daemon.wait_reason("moved")
        verdict(lab.backends[0], OK, "udp")
        assert held["b1"].ask().server == "b2"


def test_live_connection_to_a_blackhole_is_reset_at_once(lab, servers, family):
    """Its client does not have to wait for a timeout of its own."""
    lab.start(service("web", lab.backends[:1], [80], pool={
        "check": dict(QUICK, type="icmp")}))
    with connect(lab.client, vip(family), 80) as connection:
        assert connection.echo()
        with lab.backends[0].blackholed():
            lab.daemon.wait_health("down", "web", lab.backends[0],
                                   families=[family])
            started = time.monotonic()
            with pytest.raises(ConnectionResetError):
                connection.echo()
            assert time.monotonic() - started < SLACK


def test_client_remembered_for_a_dead_backend_gets_another(
        lab, servers, verdict, family):
    lab.start(service("web", lab.backends[:2], [80],
                      persistence={"timeout": "10m"},
                      pool={"check": CONTROLLED}))
    lab.daemon.wait_health("up", "web", *lab.backends[:2])
    first = who(lab.client, vip(family), 80)
    assert who(lab.client, vip(family), 80) == first
    host = next(h for h in lab.backends if h.name == first)
    verdict(host, BAD)
    assert {who(lab.client, vip(family), 80) for _ in range(3)} == {
        "b2" if first == "b1" else "b1"}


def rarely(kind="tcp"):
    """A check that comes too late for these tests by itself."""
    return dict(QUICK, type=kind, interval="60s", fall=2)


def test_refused_client_makes_it_look_at_once(lab, servers, family):
    lab.start(service("web", lab.backends[:2], [80], pool={"check": rarely()}))
    b1 = lab.backends[0]
    lab.daemon.wait_health("up", "web", *lab.backends[:2])
    with servers.killed(b1):
        time.sleep(1)
        assert lab.daemon.state("web", b1.ip[family])["health"] == "up"
        for _ in range(2):
            with contextlib.suppress(ConnectionRefusedError):
                who(lab.client, vip(family), 80)
        state = lab.daemon.wait_state("web", b1.ip[family], 3, health="down")
        assert state["result"] == "connect_refused"
        assert {who(lab.client, vip(family), 80) for _ in range(4)} == {"b2"}


def test_syn_without_an_answer_makes_it_look_at_once(lab, servers, family):
    lab.start(service("web", lab.backends[:1], [80], pool={"check": rarely()}))
    b1 = lab.backends[0]
    lab.daemon.wait_health("up", "web", b1)
    with b1.blackholed():
        # The second SYN comes after a second; the third may be refused.
        with pytest.raises(OSError):
            connect(lab.client, vip(family), 80, timeout=2)
        state = lab.daemon.wait_state("web", b1.ip[family], 3, health="down")
        assert state["result"] in ("connect_timeout", "unreachable")


def test_suspicion_right_after_another_is_not_forgotten(lab, servers, family):
    """The first one is wrong, and its probe good; the second comes too early
    for a probe of its own at once."""
    b1 = lab.backends[0]
    lab.start(service("web", [b1], ["80", "7"], pool={
        "check": dict(rarely(), port=80, fast_interval="1s")}))
    lab.daemon.wait_health("up", "web", b1)
    before = lab.daemon.state("web", b1.ip[family])["probes"]
    with pytest.raises(ConnectionRefusedError):
        connect(lab.client, vip(family), 7)
    wait_for("a probe", lambda: lab.daemon.state(
        "web", b1.ip[family])["probes"] > before, 0.5)
    with servers.killed(b1):
        with pytest.raises(ConnectionRefusedError):
            connect(lab.client, vip(family), 80)
        lab.daemon.wait_state("web", b1.ip[family], 5, health="down")


def test_suspicion_alone_takes_nobody_down(lab, servers, control, family):
    """The probe decides: a port that is not checked may be closed."""
    b1 = lab.backends[0]
    control.set(lab.backends, [CONTROL], OK)
    lab.start(service("web", [b1], ["80", "7"], pool={
        "check": dict(CONTROLLED, interval="60s")}))
    lab.daemon.wait_health("up", "web", b1)
    before = len(control.asked["b1", CONTROL])
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            connect(lab.client, vip(family), 7)
    wait_for("a probe", lambda: len(control.asked["b1", CONTROL]) > before)
    assert who(lab.client, vip(family), 80) == "b1"
    assert not lab.daemon.changes(health="down")


@pytest.mark.parametrize("start", ["up", "down"])
def test_before_its_first_result_a_backend_is_what_start_says(
        lab, servers, control, family, start):
    control.set(lab.backends, [CONTROL], SILENT)    # no result is near
    lab.start(service("web", lab.backends[:1], [80], pool={
        "check": dict(CONTROLLED, interval="60s", timeout="60s", start=start)}))
    if start == "up":
        assert who(lab.client, vip(family), 80) == "b1"
    else:
        with pytest.raises(ConnectionRefusedError):
            who(lab.client, vip(family), 80)


@pytest.mark.parametrize("on", [True, False])
def test_without_failover_nobody_is_asked(lab, servers, control, on):
    control.set(lab.backends, [CONTROL], BAD)
    before = len(control.asked.get(("b1", CONTROL), []))
    lab.start(service("web", lab.backends[:1], [80], pool={"check": CONTROLLED}),
              failover={"enabled": on})
    if on:
        lab.daemon.wait_health("down", "web", lab.backends[0])
        return
    time.sleep(1)
    assert len(control.asked.get(("b1", CONTROL), [])) == before
    assert who(lab.client, vip(4), 80) == who(lab.client, vip(6), 80) == "b1"


def test_restarted_daemon_asks_anew(lab, servers, verdict):
    """Down by its first answer, up by the next ones."""
    b1 = lab.backends[0]
    lab.start(service("web", lab.backends[:2], [80], pool={"check": CONTROLLED}))
    verdict(b1, BAD)
    lab.daemon.stop()
    lab.launch()
    lab.daemon.wait_health("down", "web", b1)
    assert {change.streak for change in lab.daemon.changes(health="down")} == {1}
    verdict(b1, OK)
    for family in 4, 6:
        assert {who(lab.client, vip(family), 80) for _ in range(4)} == {
            "b1", "b2"}


def test_all_workers_know_at_once(lab, servers, verdict, family):
    lab.start(service("web", lab.backends, [80], pool={"check": CONTROLLED}),
              workers={"cores": "0-1", "queue_length": 4096})
    verdict(lab.backends[0], BAD)
    got = {who(lab.client, vip(family), 80) for _ in range(32)}
    assert got == {"b2", "b3"}
    assert all(worker["reason_new"] > 0
               for worker in lab.daemon.counters().workers)


def test_family_that_is_not_served_is_not_asked(lab, servers, control):
    control.set(lab.backends, [CONTROL], OK)
    lab.start(service("web", lab.backends[:1], [80], pool={"check": CONTROLLED}),
              args=["-4"])
    b1 = lab.backends[0]
    lab.daemon.wait_health("up", "web", b1, families=[4])
    assert ("web", b1.ip[6]) not in lab.daemon.counters().backends
    assert who(lab.client, vip(4), 80) == "b1"
