"""Two workers share the traffic, and a flow belongs to one of them."""

import pytest

from lab import service, vip, wait_for
from servers import Asker, connect, who


@pytest.fixture
def two(lab, answerer):
    lab.start(service("web", lab.backends, [80]),
              service("udp", lab.backends, [53], protocol="udp"),
              workers={"cores": "0-1", "first_queue": 3, "queue_length": 4096})
    return lab


def test_both_workers_get_flows(two, family):
    for _ in range(32):
        assert who(two.client, vip(family), 80)
    workers = two.daemon.counters().workers
    assert all(worker["reason_new"] > 0 for worker in workers)


def test_turns_are_taken_across_workers(two, family):
    """One scheduler serves both: no worker begins a round of its own."""
    got = [who(two.client, vip(family), 80) for _ in range(30)]
    assert {name: got.count(name) for name in set(got)} == {
        "b1": 10, "b2": 10, "b3": 10}


@pytest.mark.parametrize("port", range(15600, 15606))
def test_both_directions_of_a_flow_meet_one_worker(two, family, port):
    with Asker(two.client, vip(family), 53, source_port=port) as asker:
        for _ in range(5):
            asker.ask()
    wait_for("the counters", lambda: two.daemon.counters()["packets"] == 10)
    idle, busy = sorted(two.daemon.counters().workers,
                        key=lambda worker: worker.get("packets", 0))
    assert idle.get("packets", 0) == 0
    assert (busy["reason_new"], busy["reason_client"], busy["reason_reply"]) == (
        1, 4, 5)


def test_connection_works_when_its_packets_meet_different_workers(
        two, family):
    """Which worker has a packet is a matter of speed alone: here replies go to
    the other one, by rules of this test."""
    chain, other = "LOADED_REPLY", {3: 4, 4: 3}
    for tool in "iptables", "ip6tables":
        text = two.lb.run(tool, "-t", "mangle", "-S", ok=False).stdout
        if chain not in text:
            pytest.skip("needs the rules of iptables")
        for rule in [r for r in text.splitlines() if "NFQUEUE" in r]:
            words = rule.split()
            number = int(words[-1])
            two.lb.run(tool, "-t", "mangle", "-R", chain,
                       str(number - 1), *words[2:-1], other[number])
    try:
        with Asker(two.client, vip(family), 53) as asker:
            for _ in range(5):
                asker.ask()
        wait_for("the counters", lambda: two.daemon.counters()["packets"] == 10)
        assert not [w for w in two.daemon.counters().workers
                    if "reason_new" in w and "reason_reply" in w]
        for _ in range(10):
            with connect(two.client, vip(family), 80) as connection:
                assert all(connection.echo(b"x" * 3000) for _ in range(20))
    finally:
        two.forget_rules()
