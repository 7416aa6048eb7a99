"""A small network in namespaces, with loaded in the middle of it.

    client --+                                  +-- b1
             +-- switch -- pub lb priv -- switch --+-- b2
    (more) --+                                  +-- b3

Clients are in 172.16.0.0/16 and fd01::/48, backends in 10.0.0.0/24 and
fd00::/64 with lb as their gateway, VIPs are on lb's interface pub. Everything
has both families. A test process works in a namespace by host.inside(): what
is made there, a socket or a process, stays there.

close() takes away all of it: processes, rules, namespaces, files.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETUP = ROOT / "scripts/loaded-setup"
LOADED = pathlib.Path(os.environ.get("LOADED_BIN", ROOT / "build/loaded"))
RULES = os.environ.get("LOADED_RULES")
SANITIZED = os.environ.get("LOADED_SANITIZED", "") not in ("", "0")
# Waiting for something takes this much longer where all is slow.
SLACK = 4 if SANITIZED else 1
BULK_MB = int(os.environ.get("LOADED_BULK_MB", "64" if SANITIZED else "1024"))

USER, GROUP = "nobody", "nogroup"
NETNS_DIR = pathlib.Path("/run/netns")
PREFIX = "ldtest"
CLONE_NEWNET = 0x40000000
SANITIZER = re.compile(
    r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error:")

_libc = ctypes.CDLL(None, use_errno=True)


def af(family):
    return socket.AF_INET if family == 4 else socket.AF_INET6


def family_of(address):
    return 6 if ":" in address else 4


def vip(family, number=0):
    return (f"203.0.113.{80 + number}" if family == 4 else
            f"2001:db8:80::{80 + number}")


def url(family, port=80, number=0, path="/"):
    address = vip(family, number)
    return f"http://{f'[{address}]' if family == 6 else address}:{port}{path}"


def wait_for(what, check, seconds=5.0):
    """Until check() is true; its value."""
    end = time.monotonic() + seconds * SLACK
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.02)


def run(*argv, ok=True, timeout=60, **options):
    done = subprocess.run([str(a) for a in argv], capture_output=True,
                          text=True, timeout=timeout * SLACK, check=False,
                          stdin=subprocess.DEVNULL, **options)
    assert not ok or done.returncode == 0, (argv, done.stdout, done.stderr)
    return done


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Host:
    """One network namespace."""

    def __init__(self, name):
        self.name = name
        self.netns = f"{PREFIX}{os.getpid()}-{name}"
        self._added = set()
        run("ip", "netns", "add", self.netns)
        self.run("ip", "link", "set", "lo", "up")
        self.sysctl("net.ipv6.conf.all.accept_dad=0",
                    "net.ipv6.conf.default.accept_dad=0",
                    "net.ipv4.conf.all.rp_filter=0",
                    "net.ipv4.conf.default.rp_filter=0",
                    "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")

    @contextlib.contextmanager
    def inside(self):
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(NETNS_DIR / self.netns, os.O_RDONLY)
        try:
            _setns(there)
            yield
        finally:
            _setns(home)
            os.close(there)
            os.close(home)

    def run(self, *argv, **options):
        with self.inside():
            return run(*argv, **options)

    def sysctl(self, *settings):
        self.run("sysctl", "-q", "-w", *settings)

    def socket(self, family, kind=socket.SOCK_STREAM, protocol=0):
        with self.inside():
            return socket.socket(family, kind, protocol)

    def proc_net(self, name):
        with self.inside():
            return pathlib.Path("/proc/thread-self/net", name).read_text("ascii")

    def checksum_errors(self):
        """Of TCP and UDP in both families, by name."""
        found = {}
        lines = [line.split() for line in self.proc_net("snmp").splitlines()]
        for names, values in zip(lines[::2], lines[1::2]):
            for name, value in zip(names[1:], values[1:]):
                found[names[0][:-1] + name] = int(value)
        for line in self.proc_net("snmp6").splitlines():
            found[line.split()[0]] = int(line.split()[1])
        return {name: found[name] for name in (
            "TcpInCsumErrors", "UdpInCsumErrors", "Udp6InCsumErrors")}

    def mac(self, device):
        return self.link(device)["address"]

    def link(self, device):
        return json.loads(self.run("ip", "-j", "link", "show", device).stdout)[0]

    def link_local(self, device="eth0"):
        text = self.run("ip", "-j", "-6", "addr", "show", "dev", device).stdout
        return next(a["local"] for a in json.loads(text)[0]["addr_info"]
                    if a["scope"] == "link")

    def add_address(self, address, device="eth0"):
        """Once; with the length of its network given, or alone."""
        if address not in self._added:
            self._added.add(address)
            nodad = ["nodad"] if family_of(address) == 6 else []
            self.run("ip", "addr", "add", address, "dev", device, *nodad)

    def raw(self, device="eth0"):
        """A socket that sends whole Ethernet frames."""
        sock = self.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sock.bind((device, 0))
        return sock

    @contextlib.contextmanager
    def blackholed(self, *match):
        """What matches is dropped on its way in and, in silence, out."""
        rules = [(tool, chain, *match, "-j", "DROP")
                 for tool in ("iptables", "ip6tables")
                 for chain in ("INPUT", "OUTPUT")]
        for tool, *rule in rules:
            self.run(tool, "-w", "-I", *rule)
        try:
            yield
        finally:
            for tool, *rule in rules:
                self.run(tool, "-w", "-D", *rule)


class Client(Host):
    def address(self, family, net=1, host=1):
        """An address of this client; it has as many as are asked for."""
        address = (f"172.16.{net}.{host}" if family == 4 else
                   f"fd01:0:0:{net:x}::{host:x}")
        self.add_address(address + ("/16" if family == 4 else "/48"))
        return address


class Backend(Host):
    def __init__(self, number):
        super().__init__(f"b{number}")
        self.ip = {4: f"10.0.0.{number}", 6: f"fd00::{number}"}


def backend(host, **settings):
    """A backend of a service, with its own settings."""
    return dict(settings, host=host)


def pool_of(name, backends, *, families=(4, 6), **settings):
    """A pool; both families of every host, or what has an address already."""
    members = []
    for entry in backends:
        entry = entry if isinstance(entry, dict) else backend(entry)
        more = {key: entry[key] for key in entry if key != "host"}
        members += [more] if "address" in more else [
            dict(more, address=entry["host"].ip[f]) for f in families]
    return dict(settings, name=name, **({"backends": members} if members else {}))


def service(name, backends, ports, *, protocol="tcp", scheduler="rr", vips=(0,),
            families=(4, 6), pool=None, **settings):
    """A service and a pool of the same name; pool: more settings of it."""
    return (pool_of(name, backends, families=families, **(pool or {})),
            dict(settings, name=name, protocol=protocol, pool=name,
                 addresses=[vip(f, n) for f in families for n in vips],
                 ports=[str(port) for port in ports], scheduler=scheduler))


def render(value):
    """A value in libconfig's syntax."""
    if isinstance(value, dict):
        return "{ " + " ".join(
            f"{k} = {render(v)};" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        ends = "()" if value and isinstance(value[0], dict) else "[]"
        return ends[0] + ", ".join(map(render, value)) + ends[1]
    return json.dumps(value)


class Counters:
    """What loaded says of itself after SIGUSR1."""

    def __init__(self, lines):
        self.workers, self.queues, self.backends = [], [], {}
        self.total, self.flows, self.modes = {}, {}, {}
        for line in lines:
            text = line.split("counters ", 1)[1]
            words = {k: v.strip('"') for k, v in re.findall(
                r'(\w+)=("[^"]*"|\S+)', text)}
            numbers = {k: int(v) for k, v in words.items() if v.isdigit()}
            if words.get("worker") == "all":
                self.total = numbers
            elif "worker" in words:
                self.workers.append(numbers)
            elif "queue" in words:
                self.queues.append(numbers)
            elif text.startswith("pool_mode "):
                self.modes[words["pool"]] = {
                    4: words["ipv4"], 6: words["ipv6"]}
            elif "pool" in words:
                self.backends[words["pool"], words["backend"]] = {
                    **words, **numbers}
            else:
                self.flows = numbers

    def __getitem__(self, name):
        return self.total.get(name, 0)

    def reason(self, *names):
        return sum(self["reason_" + name] for name in names)

    @property
    def lost(self):
        return sum(q["queue_dropped"] + q["user_dropped"] for q in self.queues)

    def add_up(self):
        """Each packet has one reason and one verdict."""
        reasons = sum(v for k, v in self.total.items() if k.startswith("reason_"))
        verdicts = self["passed"] + self["sent"] + self["dropped"]
        return self["packets"] == reasons == verdicts


@dataclass
class Change:
    """A backend went up or down, as the log has it."""
    pool: str
    address: str
    health: str
    text: str
    check: str = ""
    result: str = ""
    streak: int = 0

    LINE = re.compile(
        r"backend pool=(\S+) backend=(\S+) port=\d+ is (up|down)"
        r"(?:: (.*?))?(?: check=(\w+) result=(\w+) streak=(\d+))?$", re.M)

    @classmethod
    def all_in(cls, text):
        return [cls(*found[:6], int(found[6] or 0))
                for found in cls.LINE.findall(text)]


def cpu_seconds(pid, tid):
    """What a thread has used, to the nanosecond."""
    text = pathlib.Path(f"/proc/{pid}/task/{tid}/schedstat").read_text()
    return int(text.split()[0]) / 1e9


def comm(pid, tid=None):
    """Empty when it is gone; a zombie is."""
    where = pathlib.Path(f"/proc/{pid}" + (f"/task/{tid}" if tid else ""))
    try:
        head, tail = (where / "stat").read_text().rsplit(")", 1)
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if tail.split()[0] in "ZX" else head.split("(", 1)[1]


class Daemon:
    """One loaded in the foreground."""

    def __init__(self, lab, conf, *args, env=None):
        self.log = lab.dir / f"loaded-{len(list(lab.dir.glob('loaded-*')))}.log"
        self.proc = lab.spawn(lab.lb, LOADED, "-c", conf, "-D", *args,
                              log=self.log, env=env)
        self.stopped = False

    def text(self):
        return self.log.read_text("utf-8", "replace")

    def is_ready(self):
        assert self.proc.poll() is None, f"loaded ended:\n{self.text()}"
        return " started " in self.text()

    def child(self, name):
        """The number of the child of that name, or None."""
        pid = self.proc.pid
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return next((int(child) for child in text.split()
                     if comm(child) == name), None)

    @property
    def balancer(self):
        return self.child("balancer")

    def threads(self, name):
        """Of the balancer, by name."""
        pid = self.balancer
        return [int(tid) for tid in os.listdir(f"/proc/{pid}/task")
                if comm(pid, tid) == name]

    def counters(self):
        before = self.log.stat().st_size
        nbackends = int(re.search(r" started .* backends=(\d+)", self.text())[1])
        self.proc.send_signal(signal.SIGUSR1)
        seen = []

        def complete():
            """All that must be there, and no more since the last look."""
            assert self.proc.poll() is None, f"loaded ended:\n{self.text()}"
            with open(self.log, encoding="utf-8", errors="replace") as log:
                log.seek(before)
                text = log.read()
            lines = [line for line in text.splitlines() if "counters " in line]
            done = text.count("counters pool=") >= nbackends
            if done and text.endswith("\n") and lines == seen:
                return True
            seen[:] = lines
            return False
        wait_for("counters", complete)
        return Counters(seen)

    def state(self, pool, address):
        """Of one backend."""
        return self.counters().backends.get((pool, address), {})

    def wait_state(self, pool, address, seconds=5, **wanted):
        """Until these words are in a backend's line: health="down"."""
        found = {}

        def reached():
            found.update(self.state(pool, address))
            return all(found.get(k) == v for k, v in wanted.items())
        wait_for(f"{wanted} of {address} in {pool}", reached, seconds)
        return found

    def wait_health(self, health, pool, *hosts, families=(4, 6), seconds=5):
        for host in hosts:
            for family in families:
                self.wait_state(pool, host.ip[family], seconds, health=health)

    def changes(self, **wanted):
        """Of the backends' health, those with these values."""
        return [change for change in Change.all_in(self.text())
                if all(getattr(change, k) == v for k, v in wanted.items())]

    def wait_said(self, pattern, count=1, seconds=5):
        """Until the log has it so often; the matches."""
        return wait_for(pattern, lambda: (
            lambda found: found if len(found) >= count else None)(
                list(re.finditer(pattern, self.text(), re.M))), seconds)

    def wait_reason(self, name, count=1):
        """Packets are counted when they are already on their way."""
        wait_for(name, lambda: self.counters().reason(name) >= count)

    @contextlib.contextmanager
    def suspended(self):
        """The balancer reads nothing for a while; the kernel queues."""
        pid = self.balancer
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_for("stop", lambda: " T " in pathlib.Path(
                f"/proc/{pid}/stat").read_text())
            yield pid
        finally:
            os.kill(pid, signal.SIGCONT)

    def stop(self):
        """As end(0), when every packet has been accounted for."""
        if self.stopped:
            return
        try:
            if self.proc.poll() is None:
                wait_for("counters to add up", lambda: self.counters().add_up())
        finally:
            self.end()

    def end(self, expect=0):
        """To its end: SIGTERM if need be, the status expected, no report."""
        self.stopped = True
        self.proc.terminate()
        status = self.proc.wait(10 * SLACK)
        text = self.text()
        assert not SANITIZER.search(text), text
        assert status == expect, f"exit status {status}:\n{text}"


class Lab:
    def __init__(self, clients=1, backends=3, mtu=1500, setup=()):
        """setup: more options of `loaded-setup up`."""
        self.mtu, self._setup = mtu, setup
        self._procs, self._servers = [], []
        self.daemon, self.hosts = None, []
        self.conf = self._rules = None
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX + "-"))
        # Balancers that run as somebody else write sanitizer reports here.
        self.dir.chmod(0o755)
        (self.dir / "empty").mkdir()
        try:
            self._build(clients, backends)
        except BaseException:
            self.close()
            raise

    def _build(self, clients, backends):
        self.switch = self._add(Host("sw"))
        self.lb = self._add(Host("lb"))
        self.clients = [self._add(Client(f"c{n + 1}")) for n in range(clients)]
        self.client = self.clients[0]
        self.backends = [self._add(Backend(n + 1)) for n in range(backends)]
        self.switch.sysctl("net.ipv6.conf.all.disable_ipv6=1",
                           "net.ipv6.conf.default.disable_ipv6=1")
        for bridge in "br-pub", "br-priv":
            self.switch.run("ip", "link", "add", bridge, "mtu", self.mtu, "type",
                            "bridge", "mcast_snooping", "0")
            self.switch.run("ip", "link", "set", bridge, "up")
        self.plug("br-pub", self.lb, "pub")
        self.plug("br-priv", self.lb, "priv")
        for address in "172.16.255.254/16", "fd01::fe/48":
            self.lb.add_address(address, "pub")
        for address in "10.0.0.254/24", "fd00::fe/64":
            self.lb.add_address(address, "priv")
        for number in range(3):
            self.lb.add_address(vip(4, number) + "/32", "pub")
            self.lb.add_address(vip(6, number) + "/128", "pub")
        for number, client in enumerate(self.clients):
            self.plug("br-pub", client, "eth0")
            for family in 4, 6:
                client.address(family, host=number + 1)
            self._gateway(client, "172.16.255.254", "fd01::fe")
            client.sysctl("net.ipv4.ip_local_port_range=16384 60999")
        for host in self.backends:
            self.plug("br-priv", host, "eth0")
            host.add_address(host.ip[4] + "/24")
            host.add_address(host.ip[6] + "/64")
            self._gateway(host, "10.0.0.254", "fd00::fe")

    def _add(self, host):
        self.hosts.append(host)
        return host

    def plug(self, bridge, host, device):
        """A new interface of a host, on br-pub or br-priv."""
        port = f"{host.name}-{device}"
        self.switch.run("ip", "link", "add", port, "mtu", self.mtu, "type",
                        "veth", "peer", "name", device, "mtu", self.mtu,
                        "netns", host.netns)
        self.switch.run("ip", "link", "set", port, "master", bridge, "up")
        host.run("ip", "link", "set", device, "up")

    @staticmethod
    def _gateway(host, v4, v6):
        host.run("ip", "-4", "route", "add", "default", "via", v4)
        host.run("ip", "-6", "route", "add", "default", "via", v6)

    def offloads(self, **features):
        """Of every interface: offloads(tso=False, gro=True)."""
        words = []
        for name, on in features.items():
            words += [name, "on" if on else "off"]
        for host in self.hosts:
            for link in json.loads(host.run("ip", "-j", "link").stdout):
                if link["ifname"] != "lo" and "br-" not in link["ifname"]:
                    host.run("ethtool", "-K", link["ifname"], *words)

    def spawn(self, host, *argv, log, env=None):
        """Starts a program; it ends with this process at the latest."""
        with host.inside(), open(log, "ab") as out:
            proc = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *map(str, argv)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env={**os.environ, **(env or {})}, start_new_session=True)
        self._procs.append(proc)
        return proc

    @contextlib.contextmanager
    def unplugged(self, host):
        """The other end of its cable is dead; its own settings stay."""
        port = f"{host.name}-eth0"
        self.switch.run("ip", "link", "set", port, "down")
        try:
            yield
        finally:
            self.switch.run("ip", "link", "set", port, "up")

    def serve(self, server):
        """Takes care of a server's end: it has close()."""
        self._servers.append(server)
        return server

    def config(self, *services, **top):
        """The text of a config, with what a test need not say."""
        settings = {
            "user": USER, "group": GROUP, "chroot": str(self.dir / "empty"),
            "pidfile": str(self.dir / "loaded.pid"),
            "log": {"target": "stderr", "level": "info"},
            "workers": {"cores": "0", "queue_length": 4096},
            "backend_networks": ["10.0.0.0/24", "fd00::/64"],
            "interfaces": {"public": "pub", "private": "priv"},
        }
        flows = {"max": 16384, **top.pop("flows", {})}
        pools = top.pop("pools", [])    # that no service names
        settings.update(top, flows=flows)
        settings["pools"] = [pool for pool, _ in services] + pools
        settings["services"] = [service for _, service in services]
        return "".join(f"{k} = {render(v)};\n" for k, v in settings.items())

    def write(self, name, text):
        path = self.dir / name
        path.write_text(text, "utf-8")
        return path

    def start(self, *services, args=(), rules=True, env=None, **top):
        """Rules and the daemon; the one that was there before ends."""
        self.stop()
        self.conf = self.write("loaded.conf", self.config(*services, **top))
        if rules:
            self._apply_rules()
        return self.launch(*args, env=env)

    def _apply_rules(self):
        """Again only when they are others: it takes a while."""
        text = run(LOADED, "-c", self.conf, "-p", RULES or "iptables").stdout
        if text != self._rules:
            kind = ["-t", RULES] if RULES else []
            self._rules = text
            self.lb.run(SETUP, "up", "-c", self.conf, "-l", LOADED, *kind,
                        *self._setup)

    def forget_rules(self):
        """Somebody has changed them: the next start() applies them again."""
        self.lb.run(SETUP, "down")
        self._rules = None

    def launch(self, *args, env=None):
        """The daemon alone, with the config of the last start()."""
        self.daemon = Daemon(self, self.conf, *args, env=env)
        wait_for("loaded", self.daemon.is_ready, 10)
        return self.daemon

    def stop(self):
        """Ends the daemon; the rules stay for the next."""
        if self.daemon:
            daemon, self.daemon = self.daemon, None
            daemon.stop()

    def close(self):
        try:
            self.stop()
            if self._rules:
                self.lb.run(SETUP, "down")
        finally:
            for server in self._servers:
                server.close()
            for proc in self._procs:
                proc.kill()
                proc.wait()
            for host in self.hosts:
                run("ip", "netns", "del", host.netns, ok=False)
            shutil.rmtree(self.dir, ignore_errors=True)


def remove_stale():
    """Namespaces of test processes that were killed."""
    if not NETNS_DIR.is_dir():
        return
    for path in NETNS_DIR.iterdir():
        found = re.fullmatch(PREFIX + r"(\d+)-\w+", path.name)
        if found and not os.path.exists(f"/proc/{found[1]}"):
            run("ip", "netns", "del", path.name, ok=False)
