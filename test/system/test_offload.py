"""Large packets, and checksums that somebody else was to finish."""

import hashlib
import os
import socket
import struct
import threading

import pytest

from lab import SLACK, Lab, af, service, vip
from servers import Answerer, ask, connect

UDP_SEGMENT = 103
SO_NO_CHECK = 11
SIZE = 8 << 20
# Before 6.11 __udp_gso_segment() trusted the device with a checksum that it
# was not told to make (CHECKSUM_NONE, as after every change in NFQUEUE).
OLD_KERNEL = tuple(map(int, os.uname().release.split(".")[:2])) < (6, 11)

OFFLOADS = {
    "all": {"tx": True, "tso": True, "gso": True, "gro": True},
    "none": {"tso": False, "gso": False, "gro": False, "tx": False},
    "checksums-only": {"tx": True, "tso": False, "gso": False, "gro": False},
    "gro-only": {"tso": False, "gso": False, "tx": False, "gro": True},
    "no-checksums": {"tx": False, "gso": True, "gro": True},
}


@pytest.fixture(scope="module", params=[1500, 9000], ids=["mtu1500", "mtu9000"])
def network(machine, request):
    lab = Lab(mtu=request.param)
    yield lab
    lab.close()


@pytest.fixture(scope="module", params=OFFLOADS)
def path(network, request):
    network.offloads(**OFFLOADS[request.param])
    server = Answerer()
    for host in network.backends:
        server.listen(host, 80)
        server.listen(host, 53, protocol="udp")
    network.start(
        service("web", network.backends, [80]),
        service("udp", network.backends, [53], protocol="udp"))
    yield network
    network.stop()
    server.close()


@pytest.fixture(autouse=True)
def no_bad_checksum(path):
    """Nobody gets a packet with a checksum that is wrong."""
    def errors():
        return [host.checksum_errors() for host in path.hosts]
    before = errors()
    yield
    assert errors() == before


def test_stream_is_the_same_in_both_directions(path, family):
    block = bytes(range(256)) * 256
    sent, received = hashlib.sha256(), hashlib.sha256()
    with connect(path.client, vip(family), 80, timeout=20) as connection:
        def send():
            for _ in range(SIZE // len(block)):
                sent.update(block)
                connection.sock.sendall(block)
        sender = threading.Thread(target=send)
        sender.start()
        left = SIZE
        while left:
            data = connection.sock.recv(1 << 18)
            received.update(data)
            left -= len(data)
        sender.join()
    assert sent.digest() == received.digest()


@pytest.mark.parametrize("size", [0, 1, 1200, 1400, 8900])
def test_datagram_of_any_size_is_answered(path, family, size):
    if size > path.mtu:
        pytest.skip("test_fragments.py")
    assert ask(path.client, vip(family), 53, b"d" * size).data == b"d" * size


def test_udp_gso_arrives_as_single_datagrams(path, family):
    """One send of 20 datagrams, which stay together as far as they can."""
    if OLD_KERNEL:
        pytest.skip("this kernel spoils UDP GSO packets that NFQUEUE changed")
    with path.client.socket(af(family), socket.SOCK_DGRAM) as sock:
        sock.settimeout(3 * SLACK)
        sock.connect((vip(family), 53))
        sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
        try:
            sock.send(b"".join(struct.pack("!H", n) * 500 for n in range(20)))
        except OSError:
            pytest.skip("this interface does not do UDP_SEGMENT")
        got = [sock.recv(2048).split(b"\n", 1)[1] for _ in range(20)]
    assert got == [struct.pack("!H", n) * 500 for n in range(20)]


def test_udp_checksum_0_stays_0(path):
    """RFC 768: none was made; only IPv4 knows that."""
    with path.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(3 * SLACK)
        sock.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        sock.connect((vip(4), 53))
        for _ in range(10):
            sock.send(b"no checksum")
            assert sock.recv(2048).endswith(b"\nno checksum")
