"""Packets and frames made by hand, where speed or wrongness matters; scapy is
for the shapes that are hard to write."""

import socket
import struct

from lab import family_of

FIN, SYN, RST, ACK = 1, 2, 4, 16
ETHERTYPE = {4: 0x0800, 6: 0x86dd}


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def _packed(address):
    kind = socket.AF_INET6 if family_of(address) == 6 else socket.AF_INET
    return socket.inet_pton(kind, address)


def ip(source, target, protocol, payload):
    if family_of(target) == 6:
        head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
        return head + _packed(source) + _packed(target) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64,
                       protocol, 0) + _packed(source) + _packed(target)
    return fix_ip(head + payload)


def fix_ip(packet):
    """Makes the header checksum of an IPv4 packet right, if it has one."""
    if len(packet) < 20 or packet[0] >> 4 != 4:
        return packet
    length = max((packet[0] & 15) * 4, 20)
    head = packet[:10] + b"\0\0" + packet[12:length]
    return packet[:10] + struct.pack("!H", checksum(head)) + packet[12:]


def _l4(source, target, protocol, segment, at):
    """The whole packet; the checksum belongs at that offset."""
    pseudo = _packed(source) + _packed(target)
    pseudo += struct.pack("!II", len(segment), protocol)
    value = checksum(pseudo + segment)
    if protocol == socket.IPPROTO_UDP and value == 0:
        value = 0xffff
    segment = segment[:at] + struct.pack("!H", value) + segment[at + 2:]
    return ip(source, target, protocol, segment)


def tcp(source, target, sport, dport, flags=SYN, seq=1, ack=0, payload=b""):
    segment = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags,
                          65535, 0, 0) + payload
    return _l4(source, target, socket.IPPROTO_TCP, segment, 16)


def udp(source, target, sport, dport, payload=b""):
    segment = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    return _l4(source, target, socket.IPPROTO_UDP, segment, 6)


class Injector:
    """Sends packets from a client to lb, as frames: no kernel checks them on
    the way out."""

    def __init__(self, lab, client=None):
        client = client or lab.client
        self._sock = client.raw()
        macs = lab.lb.mac("pub"), client.mac("eth0")
        self._head = b"".join(bytes.fromhex(m.replace(":", "")) for m in macs)

    def send(self, packet, family):
        frame = self._head + struct.pack("!H", ETHERTYPE[family]) + packet
        while True:
            try:
                self._sock.send(frame)
                return
            except OSError as error:
                if error.errno != 105:      # ENOBUFS: its queue is full
                    raise

    def close(self):
        self._sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
