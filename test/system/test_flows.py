"""The life of a flow: how it begins, what it survives, when it is over."""

import contextlib
import random
import socket
import time

import pytest

import packets
from lab import SLACK, backend, service, vip, wait_for
from servers import Asker, connect, who

KEY = "000102030405060708090a0b0c0d0e0f"


def expect_reset(connection):
    """What is sent now is answered by a reset, not by silence."""
    started = time.monotonic()
    with pytest.raises(ConnectionResetError):
        connection.echo()
    assert time.monotonic() - started < 1.5 * SLACK


@pytest.mark.parametrize("ending", ["close_there_first", "reset"])
def test_port_used_again_after_the_end_is_a_new_flow(lab, answerer, family, ending):
    lab.start(service("web", lab.backends, [80]))
    got = []
    for _ in range(6):
        connection = connect(lab.client, vip(family), 80, source_port=15300)
        got.append(connection.server)
        getattr(connection, ending)()
    assert got == got[:3] * 2 and len(set(got)) == 3


def test_udp_flow_keeps_its_backend_while_it_is_used(lab, answerer, family):
    lab.start(service("udp", lab.backends, [53], protocol="udp"),
              flows={"udp": f"{2 * SLACK}s"})
    with Asker(lab.client, vip(family), 53) as asker:
        got = set()
        for _ in range(4):
            got.add(asker.ask().server)
            time.sleep(1.2 * SLACK)
        assert len(got) == 1


def test_udp_flow_ends_when_idle(lab, answerer, family):
    lab.start(service("udp", lab.backends, [53], protocol="udp"),
              flows={"udp": "1s"})
    with Asker(lab.client, vip(family), 53) as asker:
        first = asker.ask().server
        wait_for("expiry", lambda: lab.daemon.counters().flows["flows"] == 0)
        assert asker.ask().server != first


def test_established_flow_ends_when_idle(lab, answerer, family):
    lab.start(service("web", lab.backends, [80]), flows={"established": "1s"})
    with connect(lab.client, vip(family), 80) as connection:
        assert connection.echo()
        wait_for("expiry", lambda: lab.daemon.counters().flows["flows"] == 0)
        expect_reset(connection)


def test_established_flow_stays_while_it_is_used(lab, answerer, family):
    lab.start(service("web", lab.backends, [80]),
              flows={"established": f"{2 * SLACK}s"})
    with connect(lab.client, vip(family), 80) as connection:
        for _ in range(4):
            assert connection.echo()
            time.sleep(1.2 * SLACK)


def test_closed_flow_no_longer_counts_for_its_backend(lab, answerer, family):
    lab.start(service("web", lab.backends[:1], [80]))
    key = "web", lab.backends[0].ip[family]
    with connect(lab.client, vip(family), 80):
        assert lab.daemon.counters().backends[key]["active"] == 1
    wait_for("the end", lambda: lab.daemon.counters().backends[key]["active"] == 0)
    assert lab.daemon.counters().backends[key]["flows"] == 1


def test_restart_resets_flows_when_turns_are_taken(lab, answerer, family):
    lab.start(service("web", lab.backends, [80], scheduler="rr"))
    with connect(lab.client, vip(family), 80) as connection:
        assert connection.echo()
        lab.daemon.stop()
        lab.launch()
        expect_reset(connection)
        lab.daemon.wait_reason("unknown_flow")


def test_restart_goes_on_with_flows_of_a_consistent_hash(lab, answerer, family):
    lab.start(service("web", lab.backends, [80], scheduler="mh"), hash_key=KEY)
    with contextlib.ExitStack() as held:
        connections = [held.enter_context(connect(lab.client, vip(family), 80))
                       for _ in range(8)]
        lab.daemon.stop()
        lab.launch()
        assert all(c.echo() for c in connections)
        lab.daemon.wait_reason("resumed", 8)


def flood(lab, family, count):
    """SYNs from addresses that nobody has, each one a flow."""
    rng = random.Random(7)
    target = vip(family)
    with packets.Injector(lab) as injector:
        for _ in range(count):
            n = rng.randrange(1, 250)
            source = (f"172.16.250.{n}" if family == 4 else f"fd01:0:0:fa::{n:x}")
            injector.send(packets.tcp(source, target, rng.randrange(1024, 65536),
                                      80, packets.SYN, rng.getrandbits(32)), family)


def test_established_flows_survive_a_syn_flood_in_a_full_table(
        lab, answerer, family):
    lab.start(service("web", lab.backends, [80]), flows={"max": 64})
    with contextlib.ExitStack() as held:
        connections = [held.enter_context(connect(lab.client, vip(family), 80))
                       for _ in range(40)]
        for _ in range(3):
            flood(lab, family, 1000)
            assert all(c.echo() for c in connections)
        with connect(lab.client, vip(family), 80) as newcomer:
            assert newcomer.echo()
        counters = lab.daemon.counters()
        assert counters.flows["flows"] <= 64
        assert counters.flows["established"] >= 40


def test_table_full_of_established_flows_refuses_the_next(lab, answerer, family):
    lab.start(service("web", lab.backends, [80]), flows={"max": 64})
    with contextlib.ExitStack() as held:
        connections = []
        with pytest.raises(ConnectionRefusedError):
            for _ in range(65):
                connections.append(held.enter_context(
                    connect(lab.client, vip(family), 80)))
        assert len(connections) == 64
        assert all(c.echo() for c in connections)
        lab.daemon.wait_reason("table_full")
        connections[0].reset()
        with connect(lab.client, vip(family), 80) as newcomer:
            assert newcomer.echo()


def test_max_connections_is_never_exceeded(lab, answerer, family):
    members = [backend(host, max_connections=2) for host in lab.backends[:2]]
    lab.start(service("web", members, [80]))
    with contextlib.ExitStack() as held:
        connections = [held.enter_context(connect(lab.client, vip(family), 80))
                       for _ in range(4)]
        assert sorted(c.server for c in connections) == ["b1", "b1", "b2", "b2"]
        with pytest.raises(ConnectionRefusedError):
            connect(lab.client, vip(family), 80)
        connections[1].close()
        freed = connections[1].server
        wait_for("the place", lambda: lab.daemon.counters().flows["closed"] == 1)
        with connect(lab.client, vip(family), 80) as newcomer:
            assert newcomer.server == freed


def test_max_rate_lets_so_many_through_in_a_second(lab, answerer, family):
    lab.start(service("web", [backend(lab.backends[0], max_rate=5)], [80]))
    served, started = 0, time.monotonic()
    for _ in range(30):
        with contextlib.suppress(ConnectionRefusedError):
            served += who(lab.client, vip(family), 80) == "b1"
    took = time.monotonic() - started
    assert 5 <= served <= 5 + 5 * took + 1
    assert served < 30
    time.sleep(1.1)
    assert who(lab.client, vip(family), 80) == "b1"


def test_max_rate_of_one_backend_sends_the_rest_to_the_other(lab, answerer, family):
    b1, b2, _ = lab.backends
    lab.start(service("web", [backend(b1, max_rate=1), b2], [80]))
    got = [who(lab.client, vip(family), 80) for _ in range(20)]
    assert "b1" in got and got.count("b2") > 10


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_no_backend_refuses_at_once(lab, answerer, family, protocol):
    lab.start(service("none", [backend(lab.backends[0], weight=0)], [80],
                      protocol=protocol))
    started = time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        if protocol == "tcp":
            connect(lab.client, vip(family), 80)
        else:
            with Asker(lab.client, vip(family), 80) as asker:
                asker.ask()
    assert time.monotonic() - started < SLACK
    wait_for("the counter", lambda: lab.daemon.counters()["refused"])
    lab.daemon.wait_reason("no_backend", 1)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_no_backend_is_silent_where_it_is_to_drop(lab, answerer, family, protocol):
    lab.start(service("none", [backend(lab.backends[0], weight=0)], [80],
                      protocol=protocol, no_backend="drop"))
    with pytest.raises(socket.timeout):
        if protocol == "tcp":
            connect(lab.client, vip(family), 80, timeout=1)
        else:
            with Asker(lab.client, vip(family), 80, timeout=1) as asker:
                asker.ask()
    lab.daemon.wait_reason("no_backend")
    assert lab.daemon.counters()["refused"] == 0


def test_packet_of_an_unknown_flow_is_reset_like_by_a_host(lab, answerer, family):
    """RFC 9293, 3.10.7.1: the reset takes its number from the ACK."""
    lab.start(service("web", lab.backends, [80]))
    source = lab.client.address(family, net=40)
    watch = lab.client.raw()
    watch.settimeout(3 * SLACK)
    # Bound to all protocols, so that it also sees what comes in.
    watch.bind(("eth0", 3))
    with packets.Injector(lab) as injector, watch:
        injector.send(packets.tcp(source, vip(family), 15400, 80, packets.ACK,
                                  seq=1000, ack=77777, payload=b"x"), family)
        head = 14 + (20 if family == 4 else 40)
        wanted = (80).to_bytes(2, "big") + (15400).to_bytes(2, "big")
        while True:
            frame = watch.recv(2048)
            if frame[head:head + 4] == wanted:
                break
    assert frame[head + 13] & packets.RST
    assert int.from_bytes(frame[head + 4:head + 8], "big") == 77777
