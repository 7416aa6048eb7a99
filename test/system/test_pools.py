"""Several checks of one backend, and pools in trouble."""

import collections
import contextlib
import time

import pytest

from lab import SLACK, backend, pool_of, service, vip, wait_for
from servers import Talker, connect, who

ONE, TWO = 9000, 9001
OK, BAD = b"ok\n", b"bad\n"
QUICK = {"type": "tcp", "expect": "ok", "interval": "200ms",
         "fast_interval": "200ms", "timeout": f"{150 * SLACK}ms",
         "fall": 1, "rise": 1}
CHECK = dict(QUICK, port=ONE)


@pytest.fixture(scope="module")
def talker(network):
    talker = network.serve(Talker())
    for host in network.backends:
        talker.listen(host, ONE, TWO)
    return talker


@pytest.fixture
def say(lab, answerer, talker):
    """say(OK, b1, b2): and waits until it counts, in the pool "web"."""
    talker.set(lab.backends, [ONE, TWO], OK)

    def say(what, *hosts, port=ONE, pool="web"):
        talker.set(hosts, [port], what)
        lab.daemon.wait_health("up" if what == OK else "down", pool, *hosts)
    yield say


def start(lab, backends=3, *, service_settings=None, pools=(), **pool):
    pool.setdefault("check", CHECK)
    lab.start(service("web", lab.backends[:backends], [80], pool=pool,
                      **(service_settings or {})), pools=list(pools))
    lab.daemon.wait_health("up", "web", *lab.backends[:backends])


def served(lab, family):
    return {who(lab.client, vip(family), 80) for _ in range(6)}


def served_by(lab, *names):
    """Clients of both families, by exactly these."""
    return served(lab, 4) == served(lab, 6) == set(names)


def wait_mode(lab, mode, pool="web"):
    wait_for(mode, lambda: lab.daemon.counters().modes[pool] == {
        4: mode, 6: mode})


@pytest.mark.parametrize("policy, after_one", [("all", "down"), ("any", "up")])
def test_several_checks_are_judged_together(lab, say, talker, policy, after_one):
    b1 = lab.backends[0]
    start(lab, check=[CHECK, dict(QUICK, port=TWO)], check_policy=policy)
    talker.set([b1], [TWO], BAD)
    if after_one == "up":
        time.sleep(0.6)
    lab.daemon.wait_health(after_one, "web", b1)
    talker.set([b1], [ONE], BAD)
    lab.daemon.wait_health("down", "web", b1)
    talker.set([b1], [ONE], OK)
    if after_one == "down":
        time.sleep(0.6)
    lab.daemon.wait_health(after_one, "web", b1)
    talker.set([b1], [TWO], OK)
    lab.daemon.wait_health("up", "web", b1)


def test_check_of_a_backend_goes_before_that_of_its_pool(lab, say, talker):
    b1, b2, _ = lab.backends
    talker.set([b1, b2], [TWO], BAD)
    lab.start(service("web", [b1, backend(b2, check=dict(QUICK, port=TWO))], [80],
                      pool={"check": CHECK}))
    lab.daemon.wait_health("up", "web", b1)
    lab.daemon.wait_health("down", "web", b2)


def test_flapping_server_is_down_by_window_but_not_by_fall(lab, say, talker):
    """Every second answer is good: never two bad ones in a row."""
    b1 = lab.backends[0]
    often = dict(QUICK, interval="100ms", fast_interval="100ms")
    flapping = [OK, BAD] * 500
    talker.set([b1], [ONE], list(flapping))
    talker.set([b1], [TWO], list(flapping))
    lab.start(service("web", [b1], [80], families=[4], pool={
        "check": dict(often, port=ONE, fall=2, rise=1)}), pools=[
            pool_of("window", [b1], families=[4], check=dict(
                often, port=TWO, window=5, need=4))])
    lab.daemon.wait_state("window", b1.ip[4], health="down")
    wait_for("ten more probes", lambda: lab.daemon.state(
        "web", b1.ip[4])["failures"] >= 5, 10)
    assert not lab.daemon.changes(pool="web", health="down")
    talker.set([b1], [TWO], OK)
    lab.daemon.wait_state("window", b1.ip[4], health="up")


def test_verdict_about_to_change_is_asked_for_faster(lab, say, talker):
    b1 = lab.backends[0]
    lab.start(service("web", [b1], [80], families=[4], pool={
        "check": dict(CHECK, interval="600ms", fast_interval="100ms",
                      fall=10)}))
    lab.daemon.wait_state("web", b1.ip[4], health="up")
    asked = talker.asked["b1", ONE]
    del asked[:]
    wait_for("three probes", lambda: len(asked) >= 3)
    assert asked[2] - asked[1] > 0.4
    talker.set([b1], [ONE], BAD)
    del asked[:]
    lab.daemon.wait_state("web", b1.ip[4], health="down")
    # Nine of the ten came after the fast interval.
    took = asked[9] - asked[0]
    assert 0.7 < took < 2.5 * SLACK


def test_lost_quorum_sends_new_clients_to_the_backup(lab, say):
    b1, b2, b3 = lab.backends
    start(lab, 2, quorum=2, backup="spare",
          pools=[pool_of("spare", [b3], check=CHECK)])
    assert served_by(lab, "b1", "b2")
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(lab.client, vip(f), 80))
                for f in (4, 6) for _ in range(2)]
        say(BAD, b1)
        wait_mode(lab, "backup")
        lab.daemon.wait_said(
            r"pool pool=web family=ipv[46] mode=backup up=1 of 2", 2)
        assert served_by(lab, "b3")
        assert all(c.echo() for c in held if c.server == "b2")
    say(OK, b1)
    wait_mode(lab, "normal")
    assert served_by(lab, "b1", "b2")


def test_backup_serves_when_all_are_down(lab, say):
    b1, b2, b3 = lab.backends
    start(lab, 2, backup="spare", pools=[pool_of("spare", [b3])])
    say(BAD, b1)
    assert served_by(lab, "b2")
    say(BAD, b2)
    wait_mode(lab, "backup")
    assert served_by(lab, "b3")


def test_quorum_comes_back_later_than_it_went(lab, say):
    """2 +- 1: lost below 1, held again from 3."""
    b1, b2, b3 = lab.backends
    start(lab, quorum=2, quorum_hysteresis=1, backup="spare", pools=[
        pool_of("spare", [backend(b3, port=8080)])])
    say(BAD, b1, b2)
    wait_mode(lab, "normal")
    say(BAD, b3)
    wait_mode(lab, "backup")
    say(OK, b1, b2)
    wait_mode(lab, "backup")
    say(OK, b3)
    wait_mode(lab, "normal")


def test_panic_serves_with_everyone(lab, say):
    start(lab, panic="all")
    say(BAD, *lab.backends)
    wait_mode(lab, "panic")
    assert served_by(lab, "b1", "b2", "b3")
    say(OK, lab.backends[0])
    wait_mode(lab, "normal")
    assert served_by(lab, "b1")


def test_panic_keeps_live_connections(lab, say):
    start(lab, 1, panic="all")
    with connect(lab.client, vip(4), 80) as v4, \
            connect(lab.client, vip(6), 80) as v6:
        say(BAD, lab.backends[0])
        wait_mode(lab, "panic")
        assert v4.echo() and v6.echo()


def test_without_panic_clients_are_refused(lab, say):
    start(lab)
    say(BAD, *lab.backends)
    for family in 4, 6:
        with pytest.raises(ConnectionRefusedError):
            connect(lab.client, vip(family), 80)
    lab.daemon.wait_reason("no_backend", 2)


def test_families_of_a_pool_are_judged_apart(lab, answerer, talker, family):
    """IPv6 is down everywhere: IPv4 does not care, and the other way round."""
    other = 10 - family
    tool = "ip6tables" if other == 6 else "iptables"
    rule = ["INPUT", "-p", "tcp", "--dport", str(ONE), "-j", "DROP"]
    talker.set(lab.backends, [ONE], OK)
    start(lab, 2, backup="spare", pools=[pool_of("spare", lab.backends[2:])])
    for host in lab.backends[:2]:
        host.run(tool, "-w", "-I", *rule)
    try:
        lab.daemon.wait_health("down", "web", *lab.backends[:2], families=[other])
        wait_for("the modes", lambda: lab.daemon.counters().modes["web"] == {
            family: "normal", other: "backup"})
        assert served(lab, family) == {"b1", "b2"}
        assert served(lab, other) == {"b3"}
    finally:
        for host in lab.backends[:2]:
            host.run(tool, "-w", "-D", *rule)


def share_of(lab, family, name, seconds):
    """Of the connections made in so many seconds."""
    end, got = time.monotonic() + seconds, collections.Counter()
    while time.monotonic() < end:
        got[who(lab.client, vip(family), 80)] += 1
    return got[name] / got.total()


@pytest.mark.parametrize("scheduler", ["wrr", "rr"])
def test_slow_start_ramps_the_share(lab, say, scheduler):
    family, ramp = 4, 2 * SLACK
    b1, _, _ = lab.backends
    start(lab, 2, slow_start=f"{ramp}s", service_settings={"scheduler": scheduler})
    say(BAD, b1)
    say(OK, b1)
    early = share_of(lab, family, "b1", ramp / 4)
    assert 0 < early < 0.35, early
    lab.daemon.wait_state("web", b1.ip[family], ramp, share=1024)
    late = share_of(lab, family, "b1", 1)
    assert 0.35 < late < 0.65, late


def test_backends_that_are_there_at_the_start_do_not_start_slowly(lab, say):
    start(lab, 2, slow_start="60s", service_settings={"scheduler": "wrr"})
    assert 0.4 < share_of(lab, 4, "b1", 0.5) < 0.6
