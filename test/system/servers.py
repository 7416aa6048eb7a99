"""Servers that say who they are and whom they see, and clients that ask.

Answerer and Talker are this process itself, with sockets in the backends'
namespaces; the rest are real programs. Run as one it is an Answerer that can be
killed: servers.py NAME tcp/PORT udp/PORT ...
"""

import errno
import os
import re
import selectors
import shlex
import signal
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass

from lab import SLACK, af, family_of, wait_for

NGINX = """\
daemon off; master_process off; worker_processes 1; pid nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off; default_type text/plain; client_max_body_size 0;
    client_body_temp_path {dir}; proxy_temp_path {dir};
    fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
    server {{
        {listen}
        location / {{ return 200 "{name} $remote_addr $remote_port $server_port\\n"; }}
        location /host {{ return 200 "$host\\n"; }}
        location /busy {{ return 503; }}
        location /method {{ return 200 "$request_method\\n"; }}
    }}
    {more}
}}
"""


CLOSE = b"close, please"
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


@dataclass
class Answer:
    server: str
    address: str        # of the client, as the server saw it
    port: int
    local_port: int     # of the server
    data: bytes = b""

    @classmethod
    def parse(cls, line, data=b""):
        server, address, port, local_port = line.split()
        return cls(server, address, int(port), int(local_port), data)


def _introduce(name, peer, local):
    address = re.sub("^::ffff:", "", peer[0])
    return f"{name} {address} {peer[1]} {local[1]}\n".encode()


def bound(sock, family, address, port):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((address, port))
    return sock


class Answerer:
    """Answers on any number of sockets: TCP introduces itself and then says
    everything back until it is told to close, UDP does both in one datagram."""

    def __init__(self):
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self.received = 0           # UDP datagrams
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def listen(self, host, *ports, protocol="tcp", families=(4, 6)):
        """On a backend's own addresses; on a client's too, if it has them."""
        for family in families:
            anybody = "0.0.0.0" if family == 4 else "::"
            address = host.ip[family] if hasattr(host, "ip") else anybody
            for port in ports:
                self.bind(host, address, port, protocol)

    def bind(self, host, address, port, protocol="tcp"):
        """On one address, which may be 0.0.0.0 or ::."""
        family = af(family_of(address))
        sock = host.socket(family, KINDS[protocol])
        self.add(host.name, bound(sock, family, address, port))

    def add(self, name, sock):
        """A bound socket."""
        handler = self._datagram
        if sock.type == socket.SOCK_STREAM:
            sock.listen(4096)
            handler = self._accept
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.setblocking(False)
        with self._lock:
            self._selector.register(sock, selectors.EVENT_READ, (handler, name))
        self._wake.send(b"x")

    def close(self):
        self._wake.close()
        self._thread.join(5)
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()

    def _loop(self):
        while True:
            events = self._selector.select()
            with self._lock:
                for key, _ in events:
                    if key.fileobj is self._woken:
                        if not self._woken.recv(64):
                            return
                        continue
                    handler, name = key.data
                    try:
                        handler(key.fileobj, name)
                    except OSError:
                        self._drop(key.fileobj)

    def _drop(self, sock):
        if sock.type == socket.SOCK_STREAM:
            self._selector.unregister(sock)
            sock.close()

    def _accept(self, sock, name):
        try:
            conn, peer = sock.accept()
        except OSError:
            return
        try:
            conn.sendall(_introduce(name, peer, conn.getsockname()))
        except OSError:
            conn.close()        # a probe: it has gone already
            return
        self._selector.register(conn, selectors.EVENT_READ, (self._echo, name))

    def _echo(self, sock, _name):
        data = sock.recv(65536)
        if data in (b"", CLOSE):
            self._drop(sock)
        else:
            sock.sendall(data)

    def _datagram(self, sock, name):
        data, peer = sock.recvfrom(65536)
        self.received += 1
        sock.sendto(_introduce(name, peer, sock.getsockname()) + data, peer)


SILENT, CLOSED, RESET = "silent", "closed", "reset"


class Talker(Answerer):
    """Says to everyone what say[name, port] is at that time: bytes; nothing
    (SILENT); or it ends the connection (CLOSED, RESET). A list is used up from
    its front, down to its last. UDP: what a function makes of the datagram."""

    def __init__(self):
        super().__init__()
        self.say, self.asked = {}, {}

    def set(self, hosts, ports, what):
        for host in hosts:
            for port in ports:
                self.say[host.name, port] = what

    def _next(self, sock, name):
        key = name, sock.getsockname()[1]
        self.asked.setdefault(key, []).append(time.monotonic())
        what = self.say.get(key, SILENT)
        if isinstance(what, list):
            what = what.pop(0) if len(what) > 1 else what[0]
        return what

    def _accept(self, sock, name):
        conn, _ = sock.accept()
        what = self._next(sock, name)
        if what in (CLOSED, RESET):
            linger = struct.pack("ii", what == RESET, 0)
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            conn.close()
            return
        try:
            if what != SILENT:
                conn.sendall(what)
                conn.shutdown(socket.SHUT_WR)
        except OSError:
            conn.close()    # it asked, and has gone
        else:
            self._selector.register(conn, selectors.EVENT_READ,
                                    (self._drain, name))

    def _drain(self, sock, _name):
        if not sock.recv(65536):
            self._drop(sock)

    def _datagram(self, sock, name):
        data, peer = sock.recvfrom(65536)
        what = self._next(sock, name)
        if what != SILENT:
            sock.sendto(what(data) if callable(what) else what, peer)


class Connection(Answer):
    """A TCP connection to an Answerer."""

    def __init__(self, sock):
        self.sock = sock
        line = b""
        while not line.endswith(b"\n"):
            byte = sock.recv(1)
            if not byte:
                raise ConnectionResetError("closed without a word")
            line += byte
        super().__init__(**vars(Answer.parse(line.decode())))

    def echo(self, data=b"hello"):
        """True when it comes back."""
        self.sock.sendall(data)
        got = b""
        while len(got) < len(data):
            more = self.sock.recv(len(data) - len(got))
            if not more:
                raise ConnectionResetError("closed in between")
            got += more
        return got == data

    def close_there_first(self):
        """So that the port is free again at once on this side."""
        self.sock.sendall(CLOSE)
        assert self.sock.recv(1) == b""
        self.sock.close()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        """Waits until the server has closed too."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
            while self.sock.recv(65536):
                pass
        except OSError:
            pass
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def client_socket(host, family, kind, source=None, port=0, timeout=3):
    sock = host.socket(af(family), kind)
    sock.settimeout(timeout * SLACK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if source or port:
        sock.bind((source or host.address(family), port))
    return sock


def _connected(sock, address):
    """False while the last connection from the same port is not quite over."""
    error = sock.connect_ex(address)
    if error not in (0, errno.EADDRNOTAVAIL):
        if error == errno.EAGAIN:
            raise TimeoutError("timed out")
        raise OSError(error, os.strerror(error))
    return error == 0


def connect(host, address, port, source=None, source_port=0, timeout=3):
    sock = client_socket(host, family_of(address), socket.SOCK_STREAM, source,
                         source_port, timeout)
    try:
        wait_for("the port", lambda: _connected(sock, (address, port)))
        return Connection(sock)
    except BaseException:
        sock.close()
        raise


def who(host, address, port, **options):
    """The name of the server that a connection gets to."""
    with connect(host, address, port, **options) as connection:
        return connection.server


class Asker:
    """One UDP socket: asks again and again from the same port."""

    def __init__(self, host, address, port, source=None, source_port=0,
                 timeout=3):
        self.sock = client_socket(host, family_of(address), socket.SOCK_DGRAM,
                                  source, source_port, timeout)
        self.sock.connect((address, port))

    def ask(self, data=b"hello"):
        self.sock.send(data)
        line, echoed = self.sock.recv(65536).split(b"\n", 1)
        assert echoed == data
        return Answer.parse(line.decode(), echoed)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()


def ask(host, address, port, data=b"hello", **options):
    with Asker(host, address, port, **options) as asker:
        return asker.ask(data)


def start_nginx(lab, host, *ports, more=""):
    """Returns its name, the client's address and both ports. more: of its
    configuration, in http {}."""
    where = lab.dir / f"nginx-{host.name}"
    where.mkdir(exist_ok=True)
    listen = "".join(f"listen {port}; listen [::]:{port}; " for port in ports)
    conf = where / "nginx.conf"
    conf.write_text(NGINX.format(dir=where, listen=listen, name=host.name,
                                 more=more))
    proc = lab.spawn(host, "nginx", "-p", where, "-c", conf, "-e", "stderr",
                     log=where / "log")
    wait_listening(host, "-t", *ports)
    return proc


def start_server(lab, host, *ports):
    """An Answerer of its own process, on "tcp/PORT" and "udp/PORT"."""
    proc = lab.spawn(host, sys.executable, "-B", __file__, host.name, *ports,
                     log=lab.dir / f"server-{host.name}.log")
    for port in ports:
        protocol, number = port.split("/")
        wait_listening(host, "-t" if protocol == "tcp" else "-u", number)
    return proc


def start_dns(lab, host, *records, more=()):
    """dnsmasq with TXT records (name, text), on both protocols."""
    words = shlex.split("--keep-in-foreground --no-resolv --no-hosts --user=root"
                        " --conf-file=/dev/null --pid-file --edns-packet-max=4096")
    words += [f"--txt-record={name},{text}" for name, text in records]
    words.append(f"--txt-record=who.test,{host.name}")
    lab.spawn(host, "dnsmasq", *words, *more,
              log=lab.dir / f"dns-{host.name}.log")
    wait_listening(host, "-u", 53)


def start_iperf(lab, host, port=5201):
    lab.spawn(host, "iperf3", "-s", "-p", port, log=lab.dir / f"iperf-{host.name}.log")
    wait_listening(host, "-t", port)


def wait_listening(host, kind, *ports):
    for port in ports:
        wait_for(f"port {port} of {host.name}", lambda p=port: host.run(
            "ss", "-Hln", kind, f"sport = :{p}").stdout.strip())


def main(name, *ports):
    answerer = Answerer()
    for port in ports:
        protocol, number = port.split("/")
        for address in "0.0.0.0", "::":
            family = af(family_of(address))
            sock = socket.socket(family, KINDS[protocol])
            answerer.add(name, bound(sock, family, address, int(number)))
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
