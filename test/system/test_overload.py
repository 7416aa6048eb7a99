"""More packets than the daemon can take: it counts what is lost, and goes on."""

import packets
from lab import service, vip, wait_for
from servers import ask, connect, who

LENGTH = 100


def flood(lab, family, count):
    source = lab.client.address(family)
    packet = packets.udp(source, vip(family), 15700, 53, b"flood")
    with packets.Injector(lab) as injector:
        for _ in range(count):
            injector.send(packet, family)


def start(lab):
    lab.start(service("web", lab.backends, [80]),
              service("udp", lab.backends, [53], protocol="udp"),
              workers={"cores": "0", "queue_length": LENGTH})


def test_what_does_not_fit_into_the_queue_is_counted(lab, answerer, family):
    start(lab)
    with lab.daemon.suspended():
        flood(lab, family, 5 * LENGTH)
        wait_for("a full queue", lambda: lab.daemon.counters().lost > 0)
        queue = lab.daemon.counters().queues[0]
        assert queue["depth"] == LENGTH
        assert queue["queue_dropped"] + queue["user_dropped"] == 4 * LENGTH
    wait_for("an empty queue",
             lambda: lab.daemon.counters().queues[0]["depth"] == 0)


def test_service_is_back_after_a_flood_by_itself(lab, answerer, family):
    start(lab)
    with connect(lab.client, vip(family), 80, timeout=10) as connection:
        with lab.daemon.suspended():
            flood(lab, family, 50 * LENGTH)
        assert connection.echo()
        assert ask(lab.client, vip(family), 53, b"after")
        assert who(lab.client, vip(family), 80)


def test_flood_is_answered_for_packet_by_packet(lab, answerer, family):
    """No packet stays in the kernel's queue without a verdict."""
    start(lab)
    flood(lab, family, 20000)

    def settled():
        counters = lab.daemon.counters()
        return counters.queues[0]["depth"] == 0 and (
            counters.reason("client", "new") + counters.lost >= 20000)
    wait_for("all verdicts", settled, 10)
    assert who(lab.client, vip(family), 80)
