"""What becomes of clients when a server dies, and what checking costs."""

import json
import os
import re
import statistics
import subprocess
import time

import contenders
import lab
from lab import BenchError

HERE = os.path.dirname(os.path.abspath(__file__))
CHECK = 'type = "tcp"; interval = "200ms"; timeout = "100ms"; fall = 2;'
BEFORE, AFTER = 0.5, 2.0    # seconds of load around the death
MOST_MS = 600               # wanted: the last failure after the kill
TARGETS = 10000             # backends that are pinged
NETWORK = "10.3.0.0/16"     # theirs, all on b1
SECONDS = 20
FPING_SECONDS = 5
MOST_CPU = 10.0             # per cent of one core

_POOLS = """\
backend_networks = [ "10.2.0.0/24" ];
pools = ( {{ name = "four"; check = {{ {check} }}; backends = ( {four} ); }} );
services = ( {{ name = "http"; addresses = [ "{vip}" ]; protocol = "tcp";
    ports = [ "80" ]; scheduler = "rr"; pool = "four"; }} );
"""

_PING_POOLS = """\
backend_networks = [ "10.3.0.0/16" ];
pools = ( {{ name = "many"; backends = (
    {many} );
    check = {{ type = "icmp"; interval = "1s"; timeout = "500ms"; }}; }} );
services = ( {{ name = "http"; addresses = [ "{vip}" ]; protocol = "tcp";
    ports = [ "80" ]; scheduler = "rr"; pool = "many"; }} );
"""

_HAPROXY_CONF = """\
global
    nbthread 1
    maxconn 4096
defaults
    mode tcp
    retries 0
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    timeout check 100ms
listen http
    bind {vip}:80
    balance roundrobin
    default-server check inter 200ms fastinter 200ms fall 2 rise 2
{servers}
"""


class Loaded(contenders.Loaded):
    def pools(self):
        return _POOLS.format(
            check=CHECK, vip=lab.VIP, four=", ".join(
                '{ address = "%s"; }' % ip for ip in lab.BACKENDS))


class Haproxy(contenders.Haproxy):
    """With the same checks; retries would hide what is measured."""
    def up(self):
        servers = "\n".join("    server b%d %s:80" % (n + 1, ip)
                            for n, ip in enumerate(lab.BACKENDS))
        conf = self.lab.write("haproxy.cfg", _HAPROXY_CONF.format(
            vip=lab.VIP, servers=servers))
        self._proc = self.lab.spawn("lb", "haproxy", "-db", "-f", conf,
                                    core=lab.BALANCER_CORE, log="haproxy.log")
        self.lab.wait_listening("lb", 80)


class LoadedPings(contenders.Loaded):
    def pools(self):
        return _PING_POOLS.format(vip=lab.VIP, many=",\n    ".join(
            '{ address = "%s"; }' % ip for ip in targets()))


def targets():
    return ["10.3.%d.%d" % divmod(256 + n, 256) for n in range(TARGETS)]


def failover(the_lab, opts):
    """Rows of a table: how long connections failed, and which were lost."""
    fighters = [Loaded(the_lab, os.path.abspath(opts.loaded),
                       os.path.abspath(opts.setup)), Haproxy(the_lab)]
    runs = {}
    for contender in fighters:
        try:
            contender.up()
            runs[contender.name] = [
                _run(the_lab, contender, number) for number in range(opts.runs)]
        finally:
            contender.down()
            the_lab.clear_rules()
    return runs, _failover_rows(runs)


def _run(the_lab, contender, number):
    """One server of the four dies, and is started again."""
    names = the_lab.names[2:]
    victim = names[number % len(names)]
    opener = subprocess.Popen(
        ["ip", "netns", "exec", the_lab.netns("client"), "taskset", "-c",
         str(lab.LOAD_CORE), "/usr/bin/python3", "-B",
         os.path.join(HERE, "opener.py"), contender.target, *names],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if opener.stdout.readline() != "ready\n":
            raise BenchError("%s: the servers do not answer" % contender.name)
        time.sleep(BEFORE)
        killed = the_lab.kill(victim)
        time.sleep(AFTER)
        seen = json.loads(opener.communicate(timeout=20)[0])
    finally:
        opener.kill()
        opener.wait()
    the_lab.serve(victim)
    times = [(when - killed) * 1000 for when, _ in seen["failed"]]
    run = {
        "victim": victim, "rate": seen["rate"], "failed": len(times),
        "first_ms": min(times, default=0.0), "last_ms": max(times, default=0.0),
        "lost": sum(one["lost"] for name, one in seen["live"].items()
                    if name != victim),
        "held": sum(one["held"] for name, one in seen["live"].items()
                    if name != victim)}
    print("run %2d  %-8s kill -9 of %s: %3d failures from %3.0f to %3.0f ms, "
          "%d of %d others lost, %.0f connections/s" % (
              number + 1, contender.name, victim, run["failed"],
              run["first_ms"], run["last_ms"], run["lost"], run["held"],
              run["rate"]), flush=True)
    return run


def _failover_rows(runs):
    def row(what, unit, value, wanted=None):
        cells = {name: value(mine) for name, mine in runs.items()}
        return [what, unit] + ["%.0f" % cells[n] for n in cells] + (
            ["-", "-"] if wanted is None else
            ["<= %d" % wanted, "ok" if cells["loaded"] <= wanted else "short"])
    return [
        ["what", "unit", *runs, "wanted", ""],
        row("last failed connection, worst run", "ms after the kill",
            lambda mine: max(run["last_ms"] for run in mine), MOST_MS),
        row("the same, median", "ms after the kill",
            lambda mine: statistics.median(run["last_ms"] for run in mine)),
        row("failed connections, median", "a run",
            lambda mine: statistics.median(run["failed"] for run in mine)),
        row("live connections of others lost, all runs", "connections",
            lambda mine: sum(run["lost"] for run in mine), 0),
        row("live connections of others, all runs", "connections",
            lambda mine: sum(run["held"] for run in mine)),
        row("new connections, median", "a second",
            lambda mine: statistics.median(run["rate"] for run in mine)),
    ]


def icmp(the_lab, opts):
    """Rows of a table: what it costs to ping so many, and who answers."""
    the_lab.run("b1", "ip", "route", "add", "local", NETWORK, "dev", "lo")
    the_lab.run("lb", "ip", "route", "add", NETWORK, "via", lab.BACKENDS[0],
                "dev", "b1", "onlink")
    results = {"loaded": _ping_loaded(the_lab, opts),
               "fping": _ping_fping(the_lab)}
    return results, _icmp_rows(results)


def _ping_loaded(the_lab, opts):
    contender = LoadedPings(the_lab, os.path.abspath(opts.loaded),
                            os.path.abspath(opts.setup))
    contender.up()
    try:
        lab.wait_for("the first round", lambda: all(
            "probes" in b for b in contender.counters().values()), 20)
        pid = contender.balancer
        tid = _thread(pid, "failover")
        before, used, began = contender.counters(), _cpu(pid, tid), time.monotonic()
        time.sleep(SECONDS)
        used, took = _cpu(pid, tid) - used, time.monotonic() - began
        after = contender.counters()
        sent = sum(int(b["probes"]) for b in after.values()) - sum(
            int(b["probes"]) for b in before.values())
        lost = sum(int(b["failures"]) for b in after.values()) - sum(
            int(b["failures"]) for b in before.values())
        return {"cpu": 100 * used / took, "sent": sent / took,
                "answered": 100 * (sent - lost) / sent,
                "fewest": min(int(after[ip]["probes"]) - int(before[ip]["probes"])
                              for ip in after)}
    finally:
        contender.down()
        the_lab.clear_rules()


def _ping_fping(the_lab):
    """One system call for each packet in each direction. It has no more
    sequence numbers than for some seconds of it."""
    the_lab.write("targets", "\n".join(targets()) + "\n")
    command = ("fping -q -C %d -p 1000 -i 0.01 -t 500 <%s 2>%s" % (
        FPING_SECONDS, the_lab.path("targets"), the_lab.path("fping.log")))
    if subprocess.run(["sh", "-c", "command -v fping"], check=False,
                      stdout=subprocess.DEVNULL).returncode != 0:
        return None
    began = time.monotonic()
    proc = the_lab.spawn("lb", "sh", "-c", "exec " + command)
    # wait4() tells what it used, which nothing else does once it has ended.
    usage = os.wait4(proc.pid, 0)[2]
    proc.returncode = 0
    took = time.monotonic() - began
    words = re.findall(r": (.*)", the_lab.read("fping.log"))
    answers = [word != "-" for line in words for word in line.split()]
    return {"cpu": 100 * (usage.ru_utime + usage.ru_stime) / took,
            "sent": len(answers) / took,
            "answered": 100 * sum(answers) / max(1, len(answers)),
            "fewest": None}


def _icmp_rows(results):
    def cell(name, key, text):
        value = (results[name] or {}).get(key)
        return "-" if value is None else text % value
    rows = [["what", "unit", *results, "wanted", ""]]
    for what, unit, key, text, wanted, good in (
            ("CPU", "% of a core", "cpu", "%.1f", "<= %.0f" % MOST_CPU,
             lambda v: v <= MOST_CPU),
            ("probes", "a second", "sent", "%.0f", "-", None),
            ("answered", "%", "answered", "%.2f", "-", None),
            ("fewest of one backend", "in %d s" % SECONDS, "fewest", "%d",
             ">= %d" % (SECONDS - 1), lambda v: v >= SECONDS - 1)):
        rows.append([what, unit] + [cell(n, key, text) for n in results] + [
            wanted, "-" if good is None else
            "ok" if good(results["loaded"][key]) else "short"])
    return rows


def _thread(pid, name):
    for tid in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/comm" % (pid, tid), encoding="ascii") as text:
            if text.read().strip() == name:
                return int(tid)
    raise BenchError("no thread %s" % name)


def _cpu(pid, tid):
    """Seconds, all that the kernel does in its name included."""
    with open("/proc/%d/task/%d/schedstat" % (pid, tid), encoding="ascii") as text:
        return int(text.read().split()[0]) / 1e9
