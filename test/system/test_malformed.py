"""Packets that nobody should send, by the thousand.

The first lab has loaded's own rules, which let through what netfilter takes
for TCP and UDP. In the second everything to a VIP is queued, so that loaded
meets all that gets past the kernel's own checks (ip_rcv, ip6_rcv_core).
"""

import random
import struct

import pytest
from scapy.layers.inet import IP, TCP, UDP, IPOption
from scapy.layers.inet6 import (IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN)
from scapy.packet import Raw

import packets
from lab import service, vip, wait_for
from servers import ask, connect

SPORT = 15800
MUTATIONS = 1500


@pytest.fixture(scope="module", params=["rules", "everything"])
def target(network, answerer, request):
    everything = request.param == "everything"
    network.start(
        service("web", network.backends, [80]),
        service("udp", network.backends, [53], protocol="udp"),
        rules=True)
    if everything:
        queue_everything(network, "-I")
    yield network
    network.stop()
    if everything:
        queue_everything(network, "-D")


def queue_everything(network, action):
    for family, tool in (4, "iptables"), (6, "ip6tables"):
        network.lb.run(tool, "-t", "raw", action, "PREROUTING", "-d", vip(family),
                       "-j", "NFQUEUE", "--queue-num", "0")


def head(target, family):
    source = target.client.address(family, net=50)
    if family == 4:
        return IP(src=source, dst=vip(4))
    return IPv6(src=source, dst=vip(6))


def bases(target, family):
    """A whole packet of each kind."""
    ip = head(target, family)
    tcp = TCP(sport=SPORT, dport=80, flags="S", options=[
        ("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0)), ("WScale", 7)])
    udp = UDP(sport=SPORT, dport=53) / Raw(b"question")
    found = [bytes(ip / tcp), bytes(ip / tcp / Raw(b"data")), bytes(ip / udp)]
    if family == 6:
        chain = (IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]) /
                 IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)]))
        found += [bytes(ip / chain / tcp), bytes(ip / chain / udp),
                  bytes(ip / IPv6ExtHdrFragment(id=7) / udp)]
    else:
        option = IPOption(b"\x01\x01\x01\x00")
        found += [bytes(IP(src=ip.src, dst=ip.dst, options=option) / l4)
                  for l4 in (tcp, udp)]
    return found


def set_length(packet, family, length):
    """What the IP header says of itself."""
    if family == 4:
        packet = packet[:2] + struct.pack("!H", length) + packet[4:]
        return packets.fix_ip(packet)
    return packet[:4] + struct.pack("!H", max(length - 40, 0)) + packet[6:]


def truncated(target, family):
    for base in bases(target, family):
        for length in range(1, len(base)):
            yield base[:length]
            if length >= 8:
                yield set_length(base[:length], family, length)
        for claimed in (0, 1, 19, 20, 21, 40, len(base) - 1, len(base) + 1, 65535):
            yield set_length(base, family, claimed)


def odd_l4(target, family):
    at = 20 if family == 4 else 40
    base = bases(target, family)
    for offset in range(16):
        yield base[1][:at + 12] + bytes([offset << 4]) + base[1][at + 13:]
    for length in [*range(40), 1000, 65535]:
        yield base[2][:at + 4] + struct.pack("!H", length) + base[2][at + 6:]
    for packet in base[1], base[2]:
        for ports in (0, 80), (SPORT, 0), (0, 0):
            yield packet[:at] + struct.pack("!HH", *ports) + packet[at + 4:]
    for flags in range(256):
        yield base[1][:at + 13] + bytes([flags]) + base[1][at + 14:]


def odd_protocols(target, family):
    base = bases(target, family)[1]
    where = 9 if family == 4 else 6
    for protocol in range(256):
        yield packets.fix_ip(base[:where] + bytes([protocol]) + base[where + 1:])


def odd_ip(target, family):
    if family == 4:
        base = bases(target, family)[2]
        for first in range(256):
            yield packets.fix_ip(bytes([first]) + base[1:])
        for kind in range(256):         # options, also with lengths that lie
            for length in 0, 1, 3, 4, 8, 255:
                option = bytes([kind, length, 4, 1]) + bytes(4)
                packet = bytes([0x47]) + base[1:20] + option + base[20:]
                yield set_length(packet, 4, len(packet))
        for field in (0x2000, 0x4000, 0x8000, 0x2001, 0x0001, 0x1fff, 0x3fff):
            yield packets.fix_ip(base[:6] + struct.pack("!H", field) + base[8:])
        return
    yield from odd_chains(target.client.address(family, net=50))


def odd_chains(source):
    udp = UDP(sport=SPORT, dport=53) / Raw(b"question")
    for kind in (IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt):
        for count in (1, 2, 7, 8, 9, 30, 100):
            chain = IPv6(src=source, dst=vip(6))
            for _ in range(count):
                chain = chain / kind()
            whole = bytes(chain / udp)
            yield whole
            for cut in range(40, min(len(whole), 130)):
                yield set_length(whole[:cut], 6, cut)
    for number in (0, 2, 3, 4, 253):
        for left in (0, 1, 255):
            yield bytes(IPv6(src=source, dst=vip(6)) / IPv6ExtHdrRouting(
                type=number, segleft=left, addresses=[vip(6, 1)]) / udp)
    for offset in (0, 1, 185, 8191):
        for more in (0, 1):
            yield bytes(IPv6(src=source, dst=vip(6)) / IPv6ExtHdrFragment(
                offset=offset, m=more, id=9) / udp)
    for header in (0, 43, 44, 50, 51, 59, 60, 135, 139, 140):
        for length in (0, 1, 2, 255):   # each claims to be followed by itself
            body = bytes([header, length]) + bytes(6) + bytes(64)
            yield packets.ip(source, vip(6), header, body)


def mutated(target, family):
    rng = random.Random(family)
    base = bases(target, family)
    for _ in range(MUTATIONS):
        packet = bytearray(rng.choice(base))
        for _ in range(rng.randrange(1, 5)):
            packet[rng.randrange(len(packet))] = rng.randrange(256)
        packet = bytes(packet[:rng.randrange(20, len(packet) + 1)])
        # The kernel must let it in: version, length, checksum, target.
        packet = set_length(packet, family, len(packet))
        if family == 4:
            first = bytes([0x40 | packet[0] & 15])
            packet = first + packet[1:16] + base[0][16:20] + packet[20:]
            yield packets.fix_ip(packet)
        elif len(packet) >= 40:
            yield b"\x60" + packet[1:24] + base[0][24:40] + packet[40:]


KINDS = [truncated, odd_l4, odd_protocols, odd_ip, mutated]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_malformed_packets_harm_nobody(target, family, kind):
    before = target.daemon.counters()["packets"]
    with connect(target.client, vip(family), 80) as bystander, \
            packets.Injector(target) as injector:
        for number, packet in enumerate(kind(target, family)):
            injector.send(packet, family)
            if number % 1000 == 0:
                assert bystander.echo()
        assert number > 250
        assert bystander.echo()
        assert ask(target.client, vip(family), 53).server
    wait_for("sums", lambda: target.daemon.counters().add_up())
    counters = target.daemon.counters()
    assert counters["packets"] > before + 10     # most die in the kernel
    assert counters["garbage"] == 0
    assert not [name for name in counters.total if name.startswith("error_")]


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_wrong_checksum_is_passed_on_wrong(target, family, protocol):
    """A damaged packet must not look sound behind the balancer."""
    source = target.client.address(family, net=51)
    if protocol == "tcp":
        packet = packets.tcp(source, vip(family), SPORT + 1, 80, packets.SYN,
                             payload=b"damage")
    else:
        packet = packets.udp(source, vip(family), SPORT + 1, 53, b"damage")

    def errors():
        return sum(sum(host.checksum_errors().values())
                   for host in target.backends)
    before = errors()
    with packets.Injector(target) as injector:
        for n in range(5):
            injector.send(packet[:-1] + bytes([n]), family)
    wait_for("five errors", lambda: errors() == before + 5)
