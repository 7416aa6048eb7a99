"""The network that every contender is measured in.

    client --- 10.1.0.0/24 --- lb --- 10.2.0.1 b1
                                 \\-- ...      b4

Six namespaces, one veth pair for each line, the VIP on the public side of
lb. Nothing outside of these namespaces is touched, and close() removes them
with everything that runs in them.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time

VIP = "10.1.0.100"
CLIENT = "10.1.0.2"
PUBLIC_MAC = "02:00:00:00:01:01"
BACKENDS = ["10.2.0.%d" % n for n in range(1, 5)]
LOAD_CORE = 0        # generators, servers, and so the receive path of veth
BALANCER_CORE = 1    # whatever of a balancer runs as a process

_NGINX = """\
daemon off; master_process off; worker_processes 1; pid nginx.pid;
events {{ worker_connections 8192; }}
http {{
    access_log off; default_type text/plain;
    client_body_temp_path {dir}; proxy_temp_path {dir};
    fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
    keepalive_requests 1000000000;
    server {{ listen 80 backlog=4096; location / {{ return 200 "{name}\\n"; }} }}
}}
"""


class BenchError(Exception):
    """Something did not run as it must; a slow result is none of these."""


class Lab:
    def __init__(self, rps=False, nice=0):
        """With rps, lb receives on the core of the balancer; nice is for all
        that is measured: generators, servers, balancers."""
        self._rps = rps
        self.nice = nice
        self.dir = tempfile.mkdtemp(prefix="loaded-bench-")
        self.prefix = "lbench%d-" % os.getpid()
        self.names = ["client", "lb"] + [
            "b%d" % n for n in range(1, len(BACKENDS) + 1)]
        self._procs = []
        self.servers = {}    # nginx, by namespace

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc):
        self.close()

    def netns(self, name):
        return self.prefix + name

    def backend_netns(self):
        return [self.netns(name) for name in self.names[2:]]

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as out:
            out.write(text)
        return self.path(name)

    def mkdir(self, name):
        os.mkdir(self.path(name))
        return self.path(name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as text:
            return text.read()

    def run(self, name, *argv, timeout=60):
        """Runs a program in a namespace to its end; returns its output."""
        return run(*self._inside(name), *argv, timeout=timeout)

    def load(self, name, *argv, timeout=60):
        """The same for a generator, on the core where the load is made."""
        return run(*self._inside(name), *_on(LOAD_CORE), *argv,
                   timeout=timeout, nice=self.nice)

    def spawn(self, name, *argv, core=None, log="log"):
        """Starts a program in a namespace; it ends with us at the latest."""
        pin = _on(core) if core is not None else []
        with open(self.path(log), "ab") as out:
            proc = _start(
                self._inside(name) + ["setpriv", "--pdeathsig", "TERM"] + pin +
                list(argv), self.nice, stdout=out, stderr=out)
        self._procs.append(proc)
        return proc

    def stop(self, proc):
        if proc in self._procs:
            self._procs.remove(proc)
        proc.terminate()
        try:
            proc.wait(5)
        except subprocess.TimeoutExpired:
            proc.kill()
            proc.wait()

    def wait_listening(self, name, port):
        wait_for("port %d in %s" % (port, name), lambda: self.run(
            name, "ss", "-Hltn", "sport = :%d" % port).strip())

    def clear_rules(self):
        """Removes what table skeletons a contender has left in lb."""
        self.run("lb", "nft", "flush", "ruleset")

    def close(self):
        for proc in list(self._procs):
            self.stop(proc)
        there = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
        for name in map(self.netns, self.names):
            if name in there:
                _kill_inside(name)
                subprocess.run(["ip", "netns", "del", name], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def _inside(self, name):
        return ["ip", "netns", "exec", self.netns(name)]

    def _build(self):
        for name in self.names:
            run("ip", "netns", "add", self.netns(name))
            self._sysctl(name, "net.ipv6.conf.all.disable_ipv6=1",
                         "net.ipv4.conf.all.rp_filter=0",
                         "net.ipv4.conf.default.rp_filter=0")
            self.run(name, "ip", "link", "set", "lo", "up")
        self._sysctl("lb", "net.ipv4.ip_forward=1",
                     "net.ipv4.conf.all.send_redirects=0")
        # One clock for the timestamps to every address: a server that still
        # remembers a port takes its next connection at once.
        self._sysctl("client", "net.ipv4.ip_local_port_range=1024 65535",
                     "net.ipv4.tcp_tw_reuse=1", "net.ipv4.tcp_timestamps=2")
        self._link("public", "client", CLIENT + "/24")
        self.run("lb", "ip", "link", "set", "public", "address", PUBLIC_MAC)
        for ip in ("10.1.0.1/24", VIP + "/32"):
            self.run("lb", "ip", "addr", "add", ip, "dev", "public")
        self._default_route("client", "10.1.0.1")
        for name, ip in zip(self.names[2:], BACKENDS):
            self._link(name, name, ip + "/24")
            self.run("lb", "ip", "addr", "add", "10.2.0.254/32", "dev", name)
            self.run("lb", "ip", "route", "add", ip + "/32", "dev", name)
            self._default_route(name, "10.2.0.254")
            self.serve(name)
            self.spawn(name, "iperf3", "-s", "-p", "5201", core=LOAD_CORE)
            self.wait_listening(name, 5201)

    def _sysctl(self, name, *settings):
        self.run(name, "sysctl", "-q", "-w", *settings)

    def _link(self, device, peer, ip):
        run("ip", "link", "add", device, "netns", self.netns("lb"), "type",
            "veth", "peer", "name", "eth0", "netns", self.netns(peer))
        self.run("lb", "ip", "link", "set", device, "up")
        if self._rps:
            self.run("lb", "sh", "-c",
                     "echo %x >/sys/class/net/%s/queues/rx-0/rps_cpus" %
                     (1 << BALANCER_CORE, device))
        self.run(peer, "ip", "addr", "add", ip, "dev", "eth0")
        self.run(peer, "ip", "link", "set", "eth0", "up")

    def _default_route(self, name, gateway):
        self.run(name, "ip", "route", "add", "default", "via", gateway)

    def serve(self, name):
        """Starts the web server of a backend, which says its name."""
        where = self.path(name)
        os.makedirs(where, exist_ok=True)
        conf = self.write(name + "/nginx.conf",
                          _NGINX.format(dir=where, name=name))
        self.servers[name] = self.spawn(
            name, "nginx", "-p", where, "-c", conf, "-e", "stderr",
            core=LOAD_CORE)
        self.wait_listening(name, 80)

    def kill(self, name):
        """kill -9 of that server; the time of it."""
        proc = self.servers.pop(name)
        self._procs.remove(proc)
        now = time.monotonic()
        proc.kill()
        proc.wait()
        return now


def run(*argv, timeout=60, nice=0):
    """Runs a program to its end; returns what it wrote to stdout."""
    proc = _start(argv, nice, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                  text=True)
    try:
        out, errors = proc.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise BenchError("%s: not done in %d s" % (" ".join(argv), timeout))
    finally:
        if proc.poll() is None:
            proc.kill()
            proc.wait()
    if proc.returncode != 0:
        raise BenchError("%s: exit status %d: %s" % (
            " ".join(argv), proc.returncode, (errors + out).strip()))
    return out


def _start(argv, nice, **files):
    """In a session of its own: Ctrl-C is for us, and the nice value is for the
    session where the kernel schedules by session (autogroup)."""
    proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                            start_new_session=True, **files)
    if nice:
        try:
            os.setpriority(os.PRIO_PROCESS, proc.pid, nice)
            with open("/proc/%d/autogroup" % proc.pid, "w",
                      encoding="ascii") as out:
                out.write(str(nice))
        except (FileNotFoundError, ProcessLookupError):
            pass    # no autogroups here, or it has ended already
    return proc


def wait_for(what, ready, seconds=10):
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise BenchError("%s: not there after %d s" % (what, seconds))
        time.sleep(0.05)


def _on(core):
    return ["taskset", "-c", str(core)]


def _kill_inside(netns):
    found = subprocess.run(["ip", "netns", "pids", netns],
                           capture_output=True, text=True, check=False)
    for pid in found.stdout.split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass
