"""What checks the backends is checked too: it hangs or dies, and starts again.
Meanwhile backends keep their state and clients are served."""

import contextlib
import ctypes
import os
import pathlib
import signal
import time

import pytest

from lab import SLACK, comm, service, vip, wait_for
from servers import Talker, connect, who

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000
CONTROL = 9000
OK, BAD = b"HTTP/1.0 200 fine\r\n\r\nok\n", b"HTTP/1.0 500 not fine\r\n\r\nbad\n"
QUICK = {"interval": "200ms", "fast_interval": "200ms",
         "timeout": f"{150 * SLACK}ms", "fall": 2, "rise": 1, "port": CONTROL}
TCP = dict(QUICK, type="tcp", expect="ok")
HTTP = dict(QUICK, type="http")
WATCHDOG = {"watchdog": f"{SLACK}s"}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                         ctypes.c_void_p]


def ptrace(request, tid):
    if _libc.ptrace(request, tid, None, None) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


@contextlib.contextmanager
def stopped_thread(tid):
    """One thread stands still, the others of its process go on."""
    ptrace(PTRACE_SEIZE, tid)
    try:
        ptrace(PTRACE_INTERRUPT, tid)
        os.waitpid(tid, WALL)
        yield
    finally:
        # Gone with its process, perhaps.
        with contextlib.suppress(OSError):
            ptrace(PTRACE_DETACH, tid)


@pytest.fixture(scope="module")
def talker(network, answerer):
    talker = network.serve(Talker())
    for host in network.backends:
        talker.listen(host, CONTROL)
    return talker


@pytest.fixture
def start(lab, talker):
    """b1 is down, the others are up."""
    def start(check):
        talker.set(lab.backends, [CONTROL], OK)
        talker.set(lab.backends[:1], [CONTROL], BAD)
        lab.start(service("web", lab.backends, [80], pool={"check": check}),
                  failover=WATCHDOG)
        lab.daemon.wait_health("up", "web", *lab.backends[1:])
        lab.daemon.wait_health("down", "web", lab.backends[0])
        return lab.daemon
    return start


def healths(lab):
    return {host.name: {lab.daemon.state("web", host.ip[f])["health"]
                        for f in (4, 6)} for host in lab.backends}


AS_BEFORE = {"b1": {"down"}, "b2": {"up"}, "b3": {"up"}}


def served(lab):
    return {who(lab.client, vip(f), 80) for f in (4, 6) for _ in range(4)}


def goes_on(lab, talker):
    """Probes see changes again."""
    b1, b2, _ = lab.backends
    talker.set([b1], [CONTROL], OK)
    talker.set([b2], [CONTROL], BAD)
    lab.daemon.wait_health("up", "web", b1)
    lab.daemon.wait_health("down", "web", b2)
    assert served(lab) == {"b1", "b3"}


def test_failover_that_hangs_is_started_again(lab, start, talker):
    daemon = start(TCP)
    balancer = daemon.balancer
    tid, = daemon.threads("failover")
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(lab.client, vip(4), 80))
                for _ in range(2)]
        with stopped_thread(tid):
            assert served(lab) == {"b2", "b3"}
            daemon.wait_said(r"failover made no progress for \d+ ms, "
                             "restarting it", seconds=6)
            wait_for("another one", lambda: any(
                other != tid for other in daemon.threads("failover")))
            assert healths(lab) == AS_BEFORE
            goes_on(lab, talker)
        assert all(c.echo() for c in held if c.server == "b3")
    assert daemon.balancer == balancer
    wait_for("the end of the first", lambda: tid not in daemon.threads("failover"))
    assert len(daemon.threads("failover")) == 1
    assert not [c for c in daemon.changes(health="down")
                if c.address in lab.backends[2].ip.values()]


def test_workers_do_not_wait_for_failover(lab, start, family):
    tid, = start(TCP).threads("failover")
    with stopped_thread(tid), connect(lab.client, vip(family), 80) as connection:
        assert all(connection.echo() for _ in range(100))
        assert served(lab) == {"b2", "b3"}


def test_checker_that_is_killed_is_started_again(lab, start, talker):
    daemon = start(HTTP)
    pid = daemon.child("checker")
    os.kill(pid, signal.SIGKILL)
    daemon.wait_said(r"checker died of signal 9 \(Killed\), restarting it")
    assert served(lab) == {"b2", "b3"}
    wait_for("another one", lambda: daemon.child("checker") not in (None, pid))
    assert healths(lab) == AS_BEFORE
    goes_on(lab, talker)


def test_checker_that_hangs_is_started_again(lab, start, talker):
    daemon = start(HTTP)
    pid = daemon.child("checker")
    os.kill(pid, signal.SIGSTOP)
    daemon.wait_said(r"checker made no progress for \d+ ms, restarting it",
                     seconds=6)
    assert served(lab) == {"b2", "b3"}
    wait_for("another one", lambda: daemon.child("checker") not in (None, pid))
    assert healths(lab) == AS_BEFORE
    goes_on(lab, talker)
    assert not pathlib.Path(f"/proc/{pid}").exists()


def test_checker_that_dies_again_and_again_ends_nothing(lab, start, talker):
    daemon = start(HTTP)
    for number in range(3):
        pid = wait_for("a checker", lambda: daemon.child("checker"))
        os.kill(pid, signal.SIGKILL)
        wait_for("its end", lambda p=pid: daemon.child("checker") != p)
        daemon.wait_said("checker died of signal 9", number + 1)
    assert served(lab) == {"b2", "b3"}
    goes_on(lab, talker)


@pytest.mark.parametrize("victim", ["supervisor", "balancer"])
def test_checker_does_not_outlive_the_others(lab, start, victim):
    daemon = start(HTTP)
    pids = {name: daemon.child(name) for name in ("balancer", "checker")}
    os.kill(pids.get(victim, daemon.proc.pid), signal.SIGKILL)
    status = daemon.proc.wait(10 * SLACK)
    for name, pid in pids.items():
        wait_for("its end", lambda n=name, p=pid: comm(p) != n)
    lab.daemon = None
    daemon.end(status)


def test_without_http_there_is_no_checker(lab, start):
    assert start(TCP).child("checker") is None


def test_failing_probes_keep_no_descriptor(lab, start):
    daemon = start(TCP)
    files = pathlib.Path(f"/proc/{daemon.balancer}/fd")
    before = len(list(files.iterdir()))
    time.sleep(1)
    assert len(list(files.iterdir())) <= before + 6     # probes under way


def test_checker_has_nothing_but_its_sockets(lab, start):
    daemon = start(HTTP)
    pid = daemon.child("checker")
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    state = dict(line.split(":\t", 1) for line in text.splitlines()
                 if ":\t" in line)
    for name in "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
        assert int(state[name], 16) == 0, name
    assert state["NoNewPrivs"] == "1" and state["Uid"].split()[0] != "0"
    assert os.readlink(f"/proc/{pid}/root") == str(lab.dir / "empty")
