"""The balancers that are compared. Each sets itself up in the namespace lb and
removes itself again; between the two the VIP works.

Port 80 and UDP port 9 go to four backends in turn; 5201 goes to one, because
iperf3 opens two connections that have to meet.
"""

import re
import signal

import lab

_LOADED_HEAD = """\
user = "nobody"; group = "nogroup"; chroot = "{chroot}";
pidfile = "{pidfile}";
log = {{ target = "stderr"; level = "notice"; }};
workers = {{ cores = "{core}"; first_queue = 0; queue_length = 16384; }};
flows = {{ max = 1048576; }};
interfaces = {{ public = "public"; }};
"""

_LOADED_POOLS = """\
backend_networks = [ "10.2.0.0/24" ];
pools = (
    {{ name = "four"; backends = ( {four} ); }},
    {{ name = "one"; backends = ( {one} ); }}
);
services = (
    {{ name = "http"; addresses = [ "{vip}" ]; protocol = "tcp";
      ports = [ "80" ]; forward = "nat"; scheduler = "rr"; pool = "four"; }},
    {{ name = "discard"; addresses = [ "{vip}" ]; protocol = "udp";
      ports = [ "9" ]; forward = "nat"; scheduler = "rr"; pool = "four"; }},
    {{ name = "bulk"; addresses = [ "{vip}" ]; protocol = "tcp";
      ports = [ "5201-5202" ]; forward = "nat"; scheduler = "rr";
      pool = "one"; }}
);
"""

_HAPROXY_CONF = """\
global
    nbthread 1
    maxconn 4096
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen bulk
    bind {vip}:5201
    server b1 {backend}:5201
"""


class Forward:
    """Plain routing to one backend: no balancer, what the lab itself gives."""
    name = "forward"
    target = lab.BACKENDS[0]
    spreads = False
    only = None

    def __init__(self, the_lab):
        self.lab = the_lab

    def up(self):
        pass

    def down(self):
        pass


class Conntrack(Forward):
    """The kernel: destination NAT, the backends in turn."""
    name = "conntrack"
    target = lab.VIP
    spreads = True

    def up(self):
        for match in (["-p", "tcp", "--dport", "80"],
                      ["-p", "udp", "--dport", "9"]):
            for left, backend in zip((4, 3, 2, 1), lab.BACKENDS):
                nth = ["-m", "statistic", "--mode", "nth", "--every",
                       str(left), "--packet", "0"] if left > 1 else []
                self._rule(match + nth, backend)
        self._rule(["-p", "tcp", "--dport", "5201:5202"], lab.BACKENDS[0])

    def down(self):
        self.lab.run("lb", "iptables", "-t", "nat", "-F", "PREROUTING")

    def _rule(self, match, backend):
        self.lab.run("lb", "iptables", "-t", "nat", "-A", "PREROUTING", "-d",
                     lab.VIP, *match, "-j", "DNAT", "--to-destination", backend)


class Haproxy(Forward):
    """A proxy: two connections, bytes copied or spliced between them."""
    name = "haproxy"
    target = lab.VIP
    only = ("bulk-up", "bulk-down")
    _proc = None

    def up(self):
        conf = self.lab.write("haproxy.cfg", _HAPROXY_CONF.format(
            vip=lab.VIP, backend=lab.BACKENDS[0]))
        self._proc = self.lab.spawn("lb", "haproxy", "-db", "-f", conf,
                                    core=lab.BALANCER_CORE, log="haproxy.log")
        self.lab.wait_listening("lb", 5201)

    def down(self):
        if self._proc:
            self.lab.stop(self._proc)


class Loaded(Forward):
    """The daemon: rules by loaded-setup, one worker on its own core."""
    HEAD = _LOADED_HEAD
    name = "loaded"
    target = lab.VIP
    spreads = True

    def __init__(self, the_lab, program, setup):
        super().__init__(the_lab)
        self._program = program
        self._setup = setup
        self._proc = None
        self._conf = the_lab.write("loaded.conf", self.HEAD.format(
            chroot=the_lab.mkdir("empty"), core=lab.BALANCER_CORE,
            pidfile=the_lab.path("loaded.pid")) + self.pools())

    def pools(self):
        """And the services: the rest of the configuration."""
        return _LOADED_POOLS.format(
            four=_backends(lab.BACKENDS), one=_backends(lab.BACKENDS[:1]),
            vip=lab.VIP)

    def up(self):
        self.lab.run("lb", self._setup, "up", "-c", self._conf,
                     "-l", self._program, timeout=120)
        self.lab.write("loaded.log", "")
        self._proc = self.lab.spawn("lb", self._program, "-D", "-c",
                                    self._conf, log="loaded.log")
        lab.wait_for("loaded", self._ready)

    def down(self):
        if self._proc:
            self.lab.stop(self._proc)
            self._proc = None
        self.lab.run("lb", self._setup, "down")
        if "LOADED" in self.lab.run("lb", "nft", "list", "ruleset").upper():
            raise lab.BenchError("loaded-setup down has left rules behind")

    @property
    def balancer(self):
        """The number of the process that has the threads."""
        pid = self._proc.pid
        with open("/proc/%d/task/%d/children" % (pid, pid),
                  encoding="ascii") as text:
            for child in text.read().split():
                with open("/proc/%s/comm" % child, encoding="ascii") as comm:
                    if comm.read() == "balancer\n":
                        return int(child)
        raise lab.BenchError("loaded has no balancer")

    def counters(self):
        """Of each backend, by address: what SIGUSR1 says."""
        before = len(self.lab.read("loaded.log"))
        self._proc.send_signal(signal.SIGUSR1)
        wanted = int(re.search(r" started .* backends=(\d+)",
                               self.lab.read("loaded.log"))[1])

        def lines():
            text = self.lab.read("loaded.log")[before:]
            found = [line for line in text[:text.rfind("\n") + 1].splitlines()
                     if "counters pool=" in line]
            return found if len(found) >= wanted else None
        lab.wait_for("counters", lines)
        return {words["backend"]: words for words in (
            dict(re.findall(r"(\w+)=(\S+)", line)) for line in lines())}

    def _ready(self):
        if self._proc.poll() is not None:
            raise lab.BenchError("loaded has ended:\n" +
                                 self.lab.read("loaded.log"))
        queues = "/proc/%d/net/netfilter/nfnetlink_queue" % self._proc.pid
        with open(queues, encoding="ascii") as text:
            return text.read().strip() and \
                " started " in self.lab.read("loaded.log")


def _backends(addresses):
    return ", ".join('{ address = "%s"; }' % ip for ip in addresses)
