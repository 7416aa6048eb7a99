"""Traffic that is none of loaded's business goes its way untouched."""

import socket
import struct

import pytest

import packets
from lab import SLACK, af, service, vip
from servers import ask, connect

HERE = 9999     # a port of lb itself on the VIP
THERE = 7000    # a port of the client


@pytest.fixture(scope="module")
def passing(network, answerer):
    for family in 4, 6:
        for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
            sock = network.lb.socket(af(family), kind)
            sock.bind((vip(family), HERE))
            answerer.add("lb", sock)
    for protocol in "tcp", "udp":
        answerer.listen(network.client, THERE, protocol=protocol)
    network.start(
        service("web", network.backends, [80, 443]),
        service("dns", network.backends, [53], protocol="udp"))
    return network


def test_other_port_of_the_vip_is_the_machines_own(passing, family):
    with connect(passing.client, vip(family), HERE) as connection:
        assert connection.server == "lb" and connection.echo()
    assert ask(passing.client, vip(family), HERE).server == "lb"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_port_that_nobody_has_is_refused_by_the_machine(passing, family, protocol):
    with pytest.raises(ConnectionRefusedError):
        if protocol == "tcp":
            connect(passing.client, vip(family), 81)
        else:
            ask(passing.client, vip(family), 81)


def ping(host, address, family):
    protocol = socket.IPPROTO_ICMP if family == 4 else socket.IPPROTO_ICMPV6
    request, reply = (8, 0) if family == 4 else (128, 129)
    echo = struct.pack("!BBHHH", request, 0, 0, 0x1dea, 1) + b"hello"
    if family == 4:
        echo = echo[:2] + struct.pack("!H", packets.checksum(echo)) + echo[4:]
    with host.socket(af(family), socket.SOCK_RAW, protocol) as sock:
        sock.settimeout(3 * SLACK)
        sock.sendto(echo, (address, 0))
        while True:
            got, peer = sock.recvfrom(2048)
            got = got[20:] if family == 4 else got
            if peer[0] == address and got[0] == reply:
                return got[4:] == echo[4:]


def test_vip_answers_a_ping(passing, family):
    assert ping(passing.client, vip(family), family)


def test_backend_answers_a_ping(passing, family):
    assert ping(passing.client, passing.backends[0].ip[family], family)


def test_backend_opens_connections_of_its_own(passing, family):
    host = passing.backends[0]
    with connect(host, passing.client.address(family), THERE,
                 source=host.ip[family]) as connection:
        assert connection.server == "c1" and connection.echo()
        assert connection.address == host.ip[family]


def test_backend_opens_connections_from_the_port_that_it_serves(passing, family):
    """These pass through the queue, as they could be replies."""
    host = passing.backends[2]
    before = passing.daemon.counters().reason("no_flow")
    with connect(host, passing.client.address(family), THERE,
                 source=host.ip[family], source_port=443) as connection:
        assert connection.server == "c1" and connection.echo()
        assert (connection.address, connection.port) == (host.ip[family], 443)
    passing.daemon.wait_reason("no_flow", before + 1)


def test_client_reaches_a_backend_by_its_own_address(passing, family):
    host = passing.backends[1]
    with connect(passing.client, host.ip[family], 80) as connection:
        assert connection.server == "b2" and connection.echo()
    passing.daemon.wait_reason("no_flow")
