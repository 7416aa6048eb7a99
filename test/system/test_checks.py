"""Every type of check against real servers: what is up, what is down, and the
name and text of each failure. One daemon asks all of it at once, in a pool for
each case."""

import contextlib
import os
import re
import signal
import socket
import threading
from dataclasses import dataclass

import packets
import pytest

from lab import SLACK, af, pool_of, service, url, wait_for
from servers import (CLOSED, RESET, Answerer, Talker, start_dns, start_nginx,
                     start_server)
from tls import Authority

TIMEOUT = 400 * SLACK
# On b1 and b2; what is not here is served by nobody.
ECHO, MUTE, CLOSING, RESETTING, SSH, DROPPED, FROZEN = range(1000, 1007)
AGENT, AGENT_DOWN, BAD_DNS, NOBODY = range(1010, 1014)
EXPIRED, OTHER_NAME, OTHER_CA = 444, 445, 446

# DIR stands for the lab's directory.
HTTPS = {"type": "https", "port": 443, "host": "web.test", "ca_file": "DIR/ca.pem"}
EXEC = {"type": "exec", "user": "nobody", "program": "DIR/connect"}
WHO = {"type": "dns", "port": 53, "name": "who.test", "record": "TXT"}

GOOD = {
    "icmp": {"type": "icmp"},
    "tcp": {"type": "tcp", "port": 80},
    "tcp-banner": {"type": "tcp", "port": ECHO, "expect": "b1 "},
    "tcp-banner-regex": {"type": "tcp", "port": ECHO,
                         "expect_regex": "^b1 [0-9a-f.:]+ [0-9]+ 1000"},
    "tcp-echo": {"type": "tcp", "port": ECHO, "send": "a\r\nb",
                 "expect": "a\r\nb"},
    "tcp-send": {"type": "tcp", "port": ECHO, "send": "a"},
    "tcp-frozen": {"type": "tcp", "port": FROZEN},
    "udp": {"type": "udp", "port": ECHO, "send": "hi", "expect": "hi"},
    "udp-regex": {"type": "udp", "port": ECHO, "expect_regex": "^b[1-3] "},
    "udp-mute": {"type": "udp", "port": MUTE},
    "dns": {"type": "dns", "port": 53, "name": "a.test", "answer": "192.0.2.1"},
    "dns-aaaa": {"type": "dns", "port": 53, "name": "a.test", "record": "AAAA",
                 "answer": "2001:db8::1"},
    "dns-txt": dict(WHO, answer="b1"),
    "dns-nxdomain": {"type": "dns", "port": 53, "name": "nobody.test",
                     "rcode": "NXDOMAIN"},
    "http": {"type": "http", "port": 80},
    "http-body": {"type": "http", "port": 80, "expect": "b1 "},
    "http-regex": {"type": "http", "port": 80, "expect_regex": "^b1 .* 80.$"},
    "http-status": {"type": "http", "port": 80, "path": "/busy",
                    "status": "200-299,503"},
    "http-host": {"type": "http", "port": 80, "path": "/host",
                  "host": "www.test", "expect": "www.test"},
    "http-method": {"type": "http", "port": 80, "path": "/method",
                    "method": "OPTIONS", "expect": "OPTIONS"},
    "http-head": {"type": "http", "port": 80, "method": "HEAD"},
    "https": HTTPS,
    "https-unverified": {"type": "https", "port": OTHER_CA, "verify": False},
    "exec": dict(EXEC, port=80),
    "agent": {"type": "agent", "port": AGENT},
}


@dataclass
class Bad:
    check: dict
    result: str             # several with |
    text: str               # expression
    address: tuple = ()     # of nobody else but this case


BAD = {
    "icmp-mute": Bad({"type": "icmp"}, "no_answer",
                     f"no echo reply within {TIMEOUT} ms",
                     ("10.0.0.31", "fd00::31")),
    "icmp-liar": Bad({"type": "icmp"}, "wrong_address",
                     "answer from (10.0.0.39|fd00::39)", ("10.0.0.32", "fd00::32")),
    "icmp-unreachable": Bad({"type": "icmp"}, "unreachable", ".",
                            ("10.0.0.33", "fd00::33")),
    "tcp-refused": Bad({"type": "tcp", "port": NOBODY}, "connect_refused",
                       "connection refused"),
    "tcp-dropped": Bad({"type": "tcp", "port": DROPPED}, "connect_timeout",
                       f"connect timed out after {TIMEOUT} ms"),
    "tcp-unreachable": Bad({"type": "tcp", "port": 80}, "unreachable", ".",
                           ("10.0.0.33", "fd00::33")),
    "tcp-reset": Bad({"type": "tcp", "port": RESETTING, "expect": "x"},
                     "connection_reset", "connection reset"),
    "tcp-closed": Bad({"type": "tcp", "port": CLOSING, "expect": "x"},
                      "connection_closed", "closed"),
    "tcp-mute": Bad({"type": "tcp", "port": MUTE, "expect": "x"}, "no_answer",
                    f"no answer within {TIMEOUT} ms"),
    "tcp-frozen-banner": Bad({"type": "tcp", "port": FROZEN, "expect": "b1"},
                             "no_answer", f"no answer within {TIMEOUT} ms"),
    "tcp-wrong": Bad({"type": "tcp", "port": ECHO, "expect": "b9"},
                     "wrong_answer", "answer .*b1 "),
    "tcp-wrong-closed": Bad({"type": "tcp", "port": SSH, "expect_regex": "^SSH-1"},
                            "wrong_answer", "answer .*SSH-2.0"),
    "udp-refused": Bad({"type": "udp", "port": NOBODY}, "port_unreachable", "port"),
    "udp-mute": Bad({"type": "udp", "port": MUTE, "expect": "x"}, "no_answer",
                    f"no answer within {TIMEOUT} ms"),
    "udp-wrong": Bad({"type": "udp", "port": ECHO, "expect": "b9"},
                     "wrong_answer", "answer .*b1 "),
    "dns-rcode": Bad({"type": "dns", "port": 53, "name": "nobody.test"},
                     "dns_rcode", "rcode NXDOMAIN, expected NOERROR"),
    "dns-answer": Bad(dict(WHO, answer="b9"), "dns_answer", "b9"),
    "dns-malformed": Bad(dict(WHO, port=BAD_DNS), "dns_malformed", "."),
    "dns-mute": Bad(dict(WHO, port=MUTE), "no_answer",
                    f"no answer within {TIMEOUT} ms"),
    "dns-refused": Bad(dict(WHO, port=NOBODY), "port_unreachable", "port"),
    "http-refused": Bad({"type": "http", "port": NOBODY}, "connect_refused",
                        "connection refused"),
    "http-dropped": Bad({"type": "http", "port": DROPPED}, "connect_timeout",
                        f"connect timed out after {TIMEOUT} ms"),
    "http-mute": Bad({"type": "http", "port": MUTE}, "no_answer",
                     f"no answer within {TIMEOUT} ms"),
    "http-frozen": Bad({"type": "http", "port": FROZEN}, "no_answer",
                       f"no answer within {TIMEOUT} ms"),
    # With a request unread, the kernel ends with a reset.
    "http-closed": Bad({"type": "http", "port": CLOSING},
                       "connection_closed|connection_reset", "closed|reset"),
    "http-status": Bad({"type": "http", "port": 80, "path": "/busy"},
                       "http_status", "http status 503, expected 200-299"),
    "http-body": Bad({"type": "http", "port": 80, "expect": "b9"},
                     "http_body", "."),
    "http-ssh": Bad({"type": "http", "port": SSH}, "http_protocol", "."),
    "https-plain": Bad(dict(HTTPS, port=80), "tls_handshake", "."),
    "https-expired": Bad(dict(HTTPS, port=EXPIRED), "certificate_expired",
                         "certificate expired"),
    "https-other-name": Bad(dict(HTTPS, port=OTHER_NAME), "certificate_name",
                            "web.test"),
    "https-other-ca": Bad(dict(HTTPS, port=OTHER_CA), "certificate_untrusted", "."),
    "https-status": Bad(dict(HTTPS, path="/busy", verify=False), "http_status",
                        "http status 503, expected 200-299"),
    "exec-refused": Bad(dict(EXEC, port=NOBODY), "exec_status",
                        "exit status 3: no way to "),
    "exec-signal": Bad(dict(EXEC, port=1, program="DIR/suicide"), "exec_signal",
                       "signal"),
    "exec-hanging": Bad(dict(EXEC, port=1, program="DIR/hang"), "exec_timeout",
                        f"no exit within {TIMEOUT} ms"),
    "exec-missing": Bad(dict(EXEC, port=1, program="DIR/missing"), "exec_failed",
                        "cannot run .*/missing: No such file"),
    "agent-down": Bad({"type": "agent", "port": AGENT_DOWN}, "agent_down",
                      "agent says down: too hot"),
}

# Says nothing about the backend.
NEUTRAL = {
    "agent-refused": {"type": "agent", "port": NOBODY},
    "agent-mute": {"type": "agent", "port": MUTE},
    "agent-nonsense": {"type": "agent", "port": SSH},
}

# Against b2, which is cut off for a while: how that looks.
AGAIN = {
    "icmp": "no_answer", "tcp": "connect_timeout", "tcp-echo": "connect_timeout",
    "udp": "no_answer", "dns": "no_answer", "http": "connect_timeout",
    "https": "connect_timeout", "exec": "exec_timeout",
}

SCRIPTS = {
    "connect": '(exec 3<>"/dev/tcp/$2/$4") 2>/dev/null ||\n'
               '{ echo "no way to $2"; exit 3; }\n',
    "suicide": "kill -SEGV $$\n",
    "hang": "sleep 600\n",
}


def write_scripts(lab):
    for name, text in SCRIPTS.items():
        lab.write(name, "#!/bin/bash\n" + text).chmod(0o755)


class EchoLiar:
    """Answers pings to one address of a host from another one."""

    def __init__(self, host, family, asked, lying):
        protocol = socket.IPPROTO_ICMP if family == 4 else socket.IPPROTO_ICMPV6
        self._family = family
        self._in, self._out = (
            host.socket(af(family), socket.SOCK_RAW, protocol) for _ in "io")
        self._in.bind((asked, 0))
        self._in.settimeout(0.2)
        self._out.bind((lying, 0))
        self._done = False
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def _loop(self):
        while not self._done:
            with contextlib.suppress(TimeoutError):
                data, peer = self._in.recvfrom(2048)
                data = data[20:] if self._family == 4 else data
                if data[0] != (8 if self._family == 4 else 128):
                    continue
                self._out.sendto(self._reply(data), peer)

    def _reply(self, data):
        if self._family == 6:       # the kernel does the checksum
            return b"\x81\0\0\0" + data[4:]
        value = packets.checksum(b"\0\0\0\0" + data[4:])
        return b"\0\0" + value.to_bytes(2, "big") + data[4:]

    def close(self):
        self._done = True
        self._thread.join(5)
        self._in.close()
        self._out.close()


def malformed(query):
    """One answer, it says; but there is none."""
    return query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:]


def serve(lab, host, tls):
    ports = [(443, tls["good"]), (EXPIRED, tls["expired"]),
             (OTHER_NAME, tls["name"]), (OTHER_CA, tls["ca"])]
    start_nginx(lab, host, 80, more="".join(
        f"server {{ listen {port} ssl; listen [::]:{port} ssl; {words} "
        "location / { return 200 fine; } location /busy { return 503; } }\n"
        for port, words in ports))
    start_dns(lab, host, more=["--local=/test/", "--address=/a.test/192.0.2.1",
                               "--address=/a.test/2001:db8::1"])


def talk(lab):
    b1, b2, b3 = lab.backends
    answerer, talker = lab.serve(Answerer()), lab.serve(Talker())
    for host in b1, b2:
        answerer.listen(host, ECHO)
        answerer.listen(host, ECHO, protocol="udp")
    talker.listen(b1, MUTE, CLOSING, RESETTING, SSH, AGENT, AGENT_DOWN)
    talker.listen(b1, MUTE, BAD_DNS, protocol="udp")
    for port, what in ((CLOSING, CLOSED), (RESETTING, RESET),
                       (SSH, b"SSH-2.0-old\r\n"), (AGENT, b"up 100%\n"),
                       (AGENT_DOWN, b"down#too hot\n"), (BAD_DNS, malformed)):
        talker.set([b1], [port], what)
    frozen = start_server(lab, b1, f"tcp/{FROZEN}")
    os.kill(frozen.pid, signal.SIGSTOP)
    for family in 4, 6:
        base = "10.0.0.{}" if family == 4 else "fd00::{}"
        for number in 31, 32, 39:
            b3.add_address(base.format(number) + ("/24" if family == 4 else "/64"))
        lab.serve(EchoLiar(b3, family, base.format(32), base.format(39)))
        lab.lb.run("ip", f"-{family}", "route", "add", "unreachable",
                   base.format(33))
    b3.sysctl("net.ipv4.icmp_echo_ignore_all=1",
              "net.ipv6.icmp.echo_ignore_all=1")


def pools(lab):
    b1, b2, _ = lab.backends

    def pool(name, host, check, address=(), **more):
        check = {k: v.replace("DIR", str(lab.dir)) if isinstance(v, str) else v
                 for k, v in check.items()}
        check = dict({"interval": "1s", "fast_interval": "500ms",
                      "timeout": f"{TIMEOUT}ms"}, **check, **more)
        members = [{"address": a} for a in address] or [host]
        return pool_of(name, members, check=check)
    return ([pool("good-" + name, b1, GOOD[name]) for name in GOOD] +
            [pool("bad-" + name, b1, BAD[name].check, BAD[name].address)
             for name in BAD] +
            [pool("neutral-" + name, b1, NEUTRAL[name]) for name in NEUTRAL] +
            [pool("again-" + name, b2, GOOD[name], fast_interval="200ms", rise=2,
                  fall=2) for name in AGAIN])


@pytest.fixture(scope="module")
def checked(network):
    """The lab with a daemon that asks everything."""
    ca, other = Authority(network.dir, "ca"), Authority(network.dir, "other")
    tls = {"good": ca.issue("good", "web.test"),
           "expired": ca.issue("expired", "web.test", days=-1),
           "name": ca.issue("name", "other.test"),
           "ca": other.issue("foreign", "web.test")}
    for host in network.backends[:2]:
        serve(network, host, tls)
    talk(network)
    write_scripts(network)
    with network.backends[0].blackholed("-p", "tcp", "--dport", str(DROPPED)):
        network.start(
            service("web", network.backends[:2], [80], pool={
                "check": {"type": "tcp", "via": "vip", "interval": "1s"}}),
            pools=pools(network))
        yield network
        network.stop()


def address_of(lab, case, family):
    numbers = BAD[case].address if case in BAD else ()
    return numbers[family == 6] if numbers else lab.backends[0].ip[family]


@pytest.mark.parametrize("case", GOOD)
def test_good_answer_makes_it_up(checked, case, family):
    state = checked.daemon.wait_state("good-" + case,
                                      checked.backends[0].ip[family],
                                      health="up", result="ok")
    assert state["probes"] > 0 and state["failures"] == 0


@pytest.mark.parametrize("case", BAD)
def test_failure_has_its_name_and_text(checked, case, family):
    address, bad = address_of(checked, case, family), BAD[case]
    state = checked.daemon.wait_state("bad-" + case, address, health="down")
    assert state["result"] in bad.result.split("|"), state
    assert re.search(bad.text, state["reason"]), state
    change = checked.daemon.changes(pool="bad-" + case, address=address)[-1]
    assert change.health == "down" and change.check == bad.check["type"]
    assert change.result in bad.result.split("|")
    assert re.search(bad.text, change.text), change


@pytest.mark.parametrize("case", NEUTRAL)
def test_agent_that_does_not_speak_is_no_failure(checked, case, family):
    address = checked.backends[0].ip[family]
    state = checked.daemon.wait_state("neutral-" + case, address,
                                      result="no_agent")
    assert state["health"] != "down" and state["failures"] == 0


@pytest.fixture(scope="module")
def again(checked):
    """b2 works, is cut off, and works again."""
    daemon, host = checked.daemon, checked.backends[1]
    keys = [("again-" + name, host.ip[f]) for name in AGAIN for f in (4, 6)]

    def all_are(health):
        # Who is not says each test for itself.
        with contextlib.suppress(AssertionError):
            wait_for(health, lambda: all(
                daemon.counters().backends[key]["health"] == health
                for key in keys), 8)
    all_are("up")
    with host.blackholed():
        all_are("down")
    all_are("up")
    return checked


@pytest.mark.parametrize("case", AGAIN)
def test_backend_goes_down_and_comes_back(again, case, family):
    address = again.backends[1].ip[family]
    changes = again.daemon.changes(pool="again-" + case, address=address)
    down, up = changes[-2:]
    assert (down.health, up.health) == ("down", "up")
    # In time the neighbour, too, has not answered: it is not to be reached.
    assert down.result in (AGAIN[case], "unreachable", "exec_status"), down
    assert down.streak >= 2


def test_check_by_way_of_the_vip_finds_the_backend(checked, family):
    checked.daemon.wait_state("web", checked.backends[0].ip[family],
                              health="up", result="ok")
    page = checked.client.run("curl", "-sS", "-m", "5", url(family)).stdout
    assert page.split()[0] in {"b1", "b2"}
