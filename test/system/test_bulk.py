"""Much data, on long connections: nothing may be lost, doubled or changed."""

import hashlib
import json
import random
import socket
import struct
import threading

import pytest

from lab import BULK_MB, SLACK, af, service, vip
from servers import client_socket, start_iperf, start_nginx

MB = 1 << 20
DATA = random.Random(1).randbytes(4 * MB)


@pytest.fixture(scope="module")
def bulk(network):
    for host in network.backends[:2]:
        start_iperf(network, host)
    start_nginx(network, network.backends[0], 80)
    one = network.backends[:1]
    network.start(
        service("transfer", one, [9000], scheduler="wrr"),
        service("iperf", one, [5201]), service("iperf-udp", one, [5201],
                                               protocol="udp"),
        workers={"cores": "0-1", "queue_length": 16384})
    return network


def send_all(sock, digest):
    """Each MB has its number in front, so that no two are alike."""
    for number in range(BULK_MB):
        at = number % 4 * MB
        chunk = struct.pack("!Q", number) + DATA[at + 8:at + MB]
        digest.update(chunk)
        sock.sendall(chunk)
    sock.shutdown(socket.SHUT_WR)


def receive_all(sock, digest):
    buffer = bytearray(MB)
    view = memoryview(buffer)
    total = 0
    while True:
        count = sock.recv_into(buffer)
        if count == 0:
            return total
        digest.update(view[:count])
        total += count


def transfer(bulk, family, upload):
    """Both digests and what arrived."""
    host = bulk.backends[0]
    sent, received = hashlib.sha256(), hashlib.sha256()
    with host.socket(af(family)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.ip[family], 9000))
        listener.listen()
        near = client_socket(bulk.client, family, socket.SOCK_STREAM, timeout=30)
        near.connect((vip(family), 9000))
        far, _ = listener.accept()
        far.settimeout(30 * SLACK)
    source, sink = (near, far) if upload else (far, near)
    with near, far:
        sender = threading.Thread(target=send_all, args=(source, sent))
        sender.start()
        total = receive_all(sink, received)
        sender.join()
    return sent.hexdigest(), received.hexdigest(), total


@pytest.mark.parametrize("upload", [True, False], ids=["upload", "download"])
def test_large_transfer_arrives_unchanged(bulk, family, upload):
    sent, received, total = transfer(bulk, family, upload)
    assert total == BULK_MB * MB
    assert sent == received


def iperf(bulk, family, *words):
    done = bulk.client.run("iperf3", "-J", "-c", vip(family), "-t", "2", *words,
                           ok=False)
    result = json.loads(done.stdout)
    assert "error" not in result, result.get("error")
    return result["end"]


def test_parallel_streams_in_both_directions_all_get_through(bulk, family):
    end = iperf(bulk, family, "-P", "4", "--bidir")
    assert len(end["streams"]) == 8
    assert all(s["receiver"]["bytes"] > 0 for s in end["streams"])


def test_udp_stream_at_moderate_rate_loses_next_to_nothing(bulk, family):
    end = iperf(bulk, family, "-u", "-b", "5M", "-l", "1200")
    assert end["sum"]["packets"] > 500
    assert end["sum"]["lost_percent"] < 2
