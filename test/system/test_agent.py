"""A backend's agent sets what the backend gets."""

import collections

import pytest

from lab import SLACK, service, vip, wait_for
from servers import Answerer, Talker, connect, who

PORT = 9000
CHECK = {"type": "agent", "port": PORT, "interval": "200ms",
         "fast_interval": "200ms", "timeout": f"{150 * SLACK}ms", "fall": 2,
         "rise": 1}


@pytest.fixture(scope="module")
def agents(network, answerer):
    talker = network.serve(Talker())
    for host in network.backends:
        talker.listen(host, PORT)
    return talker


@pytest.fixture
def say(lab, agents, family):
    """Starts the daemon; then says a line, and waits until it counts."""
    hosts = lab.backends[:2]
    agents.set(hosts, [PORT], b"up ready 100%\n")

    def say(host, line, **wanted):
        agents.set([host], [PORT], line)
        lab.daemon.wait_state("web", host.ip[family], **wanted)
    yield say


def start(lab, scheduler="wrr", **pool):
    lab.start(service("web", lab.backends[:2], [80], scheduler=scheduler,
                      pool={"check": CHECK, **pool}))
    lab.daemon.wait_health("up", "web", *lab.backends[:2])
    return lab.backends[:2]


def served(lab, family, count):
    return collections.Counter(
        who(lab.client, vip(family), 80) for _ in range(count))


def test_percentage_is_the_share_measured_at_the_servers(lab, say, family):
    b1, _ = start(lab)
    say(b1, b"25%\n", share=256)
    assert served(lab, family, 50) == {"b1": 10, "b2": 40}
    say(b1, b"100%\n", share=1024)
    assert served(lab, family, 20) == {"b1": 10, "b2": 10}
    say(b1, b"300%\n", share=3072)
    assert served(lab, family, 40) == {"b1": 30, "b2": 10}


@pytest.mark.parametrize("scheduler", ["rr", "lc", "random", "p2c"])
def test_percentage_counts_for_every_scheduler(lab, say, family, scheduler):
    b1, _ = start(lab, scheduler)
    say(b1, b"10%\n", share=102)
    got = served(lab, family, 150)
    assert got["b1"] < 40, got      # by weight 14, by chance 50 to 100


def test_share_of_0_gets_nothing(lab, say, family):
    b1, _ = start(lab)
    say(b1, b"0%\n", share=0)
    assert served(lab, family, 10) == {"b2": 10}


def test_drained_backend_keeps_what_it_has(lab, say, family):
    b1, b2 = start(lab)
    held = [connect(lab.client, vip(family), 80) for _ in range(2)]
    say(b1, b"drain\n", admin="drain")
    assert served(lab, family, 6) == {"b2": 6}
    assert all(connection.echo() for connection in held)
    say(b1, b"ready\n", admin="ready")
    assert set(served(lab, family, 6)) == {"b1", "b2"}
    for connection in held:
        connection.close()
    assert not lab.daemon.changes(address=b1.ip[family], health="down")


def test_backend_in_maintenance_loses_its_connections(lab, say, family):
    b1, _ = start(lab)
    held = {c.server: c for c in (
        connect(lab.client, vip(family), 80) for _ in range(2))}
    say(b1, b"maint\n", admin="maint")
    assert served(lab, family, 6) == {"b2": 6}
    with pytest.raises(ConnectionResetError):
        held["b1"].echo()
    assert held["b2"].echo()
    say(b1, b"ready\n", admin="ready")
    assert set(served(lab, family, 6)) == {"b1", "b2"}
    held["b2"].close()


def test_most_connections_are_the_agents_to_say(lab, say, family):
    b1, b2 = start(lab)
    say(b1, b"maxconn:1\n", health="up")
    agents_heard(lab, b1, family)
    held = [connect(lab.client, vip(family), 80) for _ in range(5)]
    assert collections.Counter(c.server for c in held) == {"b1": 1, "b2": 4}
    for connection in held:
        connection.close()


def agents_heard(lab, host, family):
    """Until it has been asked again, whatever was under way before."""
    before = lab.daemon.state("web", host.ip[family])["probes"]
    wait_for("two more probes", lambda: lab.daemon.state(
        "web", host.ip[family])["probes"] >= before + 2)


def test_word_of_the_agent_takes_it_down_and_up(lab, say, family):
    b1, _ = start(lab)
    for word in b"down", b"stopped", b"fail":
        say(b1, word + b"#too " + word + b"\n", health="down", result="agent_down")
        text = lab.daemon.changes(address=b1.ip[family], health="down")[-1].text
        assert text.endswith("too " + word.decode()), text
        assert served(lab, family, 4) == {"b2": 4}
        say(b1, b"up\n", health="up")
        assert set(served(lab, family, 4)) == {"b1", "b2"}


def test_agent_that_falls_silent_changes_nothing(lab, network, agents, family):
    """Neither the verdict nor the share that it gave last."""
    quitter = Talker()
    try:
        b1, b2 = lab.backends[:2]
        quitter.listen(b1, PORT + 1)
        quitter.set([b1], [PORT + 1], b"up 25%\n")
        agents.set([b2], [PORT], b"up 100%\n")
        lab.start(service("web", [dict(host=b1, check=dict(CHECK, port=PORT + 1)),
                                  b2], [80], scheduler="wrr",
                          pool={"check": CHECK}))
        lab.daemon.wait_state("web", b1.ip[family], share=256)
    finally:
        quitter.close()
    lab.daemon.wait_state("web", b1.ip[family], result="no_agent")
    state = lab.daemon.state("web", b1.ip[family])
    assert (state["health"], state["share"], state["failures"]) == ("up", 256, 0)
    assert served(lab, family, 20) == {"b1": 4, "b2": 16}
