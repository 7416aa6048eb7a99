"""The manners of the daemon: how it starts, says no, keeps its word and ends."""

import contextlib
import ctypes
import grp
import os
import pathlib
import pwd
import signal
import socket
import subprocess
import time

import pytest

import packets
from lab import (GROUP, LOADED, SANITIZER, SLACK, USER, comm, run, service, vip,
                 wait_for)
from servers import Answerer, ask, connect, who

PR_SET_CHILD_SUBREAPER = 36
CAP_NET_ADMIN = 12
EXIT_FAILED, EXIT_USAGE = 1, 2


def services(lab):
    return (service("web", lab.backends, [80]),
            service("udp", lab.backends, [53], protocol="udp"))


@pytest.fixture
def conf(lab):
    """The path of a good config."""
    lab.conf = lab.write("daemon.conf", lab.config(*services(lab)))
    return lab.conf


@pytest.fixture
def detach(lab):
    """Starts loaded as a shell does: exit status and what was said. One that
    stays in the background is stopped at the end."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def detach(*argv):
        log = lab.dir / "detached.log"
        log.write_text("")
        with lab.lb.inside(), open(log, "a", encoding="utf-8") as out:
            status = subprocess.run([LOADED, *argv], stdin=subprocess.DEVNULL,
                                    stdout=out, stderr=out, check=False,
                                    timeout=20 * SLACK).returncode
        text = log.read_text("utf-8")
        assert not SANITIZER.search(text), text
        return status, text
    yield detach
    pidfile = lab.dir / "loaded.pid"
    if pidfile.exists():
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            kill_and_reap(pid_of(lab), signal.SIGTERM)
        pidfile.unlink(missing_ok=True)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def kill_and_reap(pid, number):
    os.kill(pid, number)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def pid_of(lab):
    return int((lab.dir / "loaded.pid").read_text())


def loaded(lab, *argv):
    done = lab.lb.run(LOADED, *argv, ok=False, timeout=20)
    assert not SANITIZER.search(done.stderr), done.stderr
    return done


def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def test_help_names_every_option():
    done = run(LOADED, "--help")
    for option in "-c -n -p -f -4 -6 -D -U -Q -V -h".split():
        assert f"\n  {option}, --" in done.stdout
    assert done.stdout == run(LOADED, "-h").stdout and done.stderr == ""


def test_version_is_one_line():
    text = run(LOADED, "--version").stdout
    assert text.startswith("loaded ") and text.count("\n") == 1
    assert text == run(LOADED, "-V").stdout


@pytest.mark.parametrize("words", [
    [], ["-x"], ["-c"], ["-Q", "0", "-c", "f"], ["-Q", "65536", "-c", "f"],
    ["-Q", "many", "-c", "f"], ["-p", "pf", "-c", "f"], ["-c", "f", "surplus"]],
    ids=" ".join)
def test_wrong_usage_is_said_in_one_line(words):
    done = run(LOADED, *words, ok=False)
    assert done.returncode == EXIT_USAGE and done.stdout == ""
    assert done.stderr.startswith("loaded: ") and done.stderr.count("\n") == 1


def test_check_says_yes_to_a_good_config_and_starts_nothing(lab, conf):
    done = loaded(lab, "-n", "-c", conf)
    assert done.returncode == 0 and str(conf) in done.stdout
    assert not (lab.dir / "loaded.pid").exists()


@pytest.mark.parametrize("words", [["-n"], ["-D"], []], ids=str)
def test_wrong_config_is_said_with_its_place_and_nothing_starts(lab, words):
    text = lab.config(*services(lab)) + 'pidfle = "/x";\nflows = 3;\n'
    number = text.count("\n")
    conf = lab.write("wrong.conf", text.replace("flows = {", "flws = {"))
    done = loaded(lab, "-c", conf, *words)
    assert done.returncode == EXIT_USAGE
    assert f"{conf}:{number - 1}: " in done.stderr
    assert f"{conf}:{number}: " in done.stderr
    assert lab.lb.proc_net("netfilter/nfnetlink_queue") == ""


def test_config_that_is_not_there_is_said(lab):
    done = loaded(lab, "-D", "-c", "/nonexistent/loaded.conf")
    assert done.returncode == EXIT_USAGE
    assert "/nonexistent/loaded.conf" in done.stderr


@pytest.mark.parametrize("kind", ["nft", "iptables"])
def test_rules_are_printed_and_nothing_starts(lab, conf, kind):
    done = loaded(lab, "-p", kind, "-c", conf)
    assert done.returncode == 0 and vip(4) in done.stdout and vip(6) in done.stdout
    assert lab.lb.proc_net("netfilter/nfnetlink_queue") == ""


def test_daemon_in_the_background_serves_and_ends(lab, answerer, conf, detach):
    lab.start(*services(lab))
    lab.stop()
    status, text = detach("-c", lab.conf)
    assert status == 0 and " started " in text
    pid = pid_of(lab)
    assert os.getsid(pid) == pid and os.readlink(f"/proc/{pid}/cwd") == "/"
    assert who(lab.client, vip(4), 80) in {"b1", "b2", "b3"}
    assert kill_and_reap(pid, signal.SIGTERM) == 0
    assert not (lab.dir / "loaded.pid").exists()


def test_second_start_is_refused_and_the_first_lives_on(lab, conf, detach):
    assert detach("-c", conf)[0] == 0
    pid = pid_of(lab)
    status, text = detach("-c", conf)
    assert status == EXIT_FAILED and "runs already" in text
    assert pid_of(lab) == pid
    assert kill_and_reap(pid, signal.SIGTERM) == 0


def test_pidfile_left_by_a_killed_daemon_is_no_obstacle(lab, conf, detach):
    assert detach("-c", conf)[0] == 0
    assert kill_and_reap(pid_of(lab), signal.SIGKILL) == -signal.SIGKILL
    assert (lab.dir / "loaded.pid").exists()
    wait_for("the queue", lambda: lab.lb.proc_net(
        "netfilter/nfnetlink_queue") == "")
    assert detach("-c", conf)[0] == 0


@pytest.mark.parametrize("words", [["-D"], []], ids=["foreground", "background"])
def test_unknown_user_is_said_to_the_starting_shell(lab, conf, detach, words):
    status, text = detach("-c", conf, "-U", "nobody-at-all", *words)
    assert status == EXIT_FAILED and "nobody-at-all" in text


@pytest.mark.parametrize("words", [["-D"], []], ids=["foreground", "background"])
def test_queue_of_somebody_else_is_said_to_the_starting_shell(
        lab, conf, detach, words):
    lab.start(*services(lab), rules=False)
    status, text = detach("-c", conf, *words)
    assert status == EXIT_FAILED and "queue 0: in use" in text
    assert lab.daemon.counters()


def test_user_root_is_refused(lab, conf):
    done = loaded(lab, "-D", "-c", conf, "-U", "root")
    assert done.returncode == EXIT_FAILED and "root" in done.stderr


def test_core_that_is_not_there_is_said(lab):
    conf = lab.write("core.conf", lab.config(*services(lab),
                                             workers={"cores": "1000"}))
    done = loaded(lab, "-D", "-c", conf)
    assert done.returncode == EXIT_FAILED and "core 1000" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_with_status_0(lab, number):
    daemon = lab.start(*services(lab))
    daemon.proc.send_signal(number)
    daemon.proc.wait(5 * SLACK)
    daemon.end(0)
    lab.daemon = None


def test_packets_that_wait_are_still_delivered_at_the_end(lab, family):
    server = Answerer()
    try:
        server.listen(lab.backends[0], 53, protocol="udp", families=[family])
        daemon = lab.start(service("udp", lab.backends[:1], [53], protocol="udp"))
        source = lab.client.address(family)
        packet = packets.udp(source, vip(family), 15900, 53, b"late")
        with daemon.suspended(), packets.Injector(lab) as injector:
            for _ in range(200):
                injector.send(packet, family)
            wait_for("the queue", lambda: daemon.counters().queues[0][
                "depth"] == 200)
            daemon.proc.terminate()
            time.sleep(0.2)
        daemon.end(0)
        lab.daemon = None
        wait_for("the datagrams", lambda: server.received == 200)
    finally:
        server.close()


def test_hangup_is_survived(lab):
    daemon = lab.start(*services(lab))
    daemon.proc.send_signal(signal.SIGHUP)
    wait_for("the word", lambda: "reload" in daemon.text())
    assert daemon.counters()


def test_balancer_that_dies_ends_the_daemon_with_status_1(lab):
    daemon = lab.start(*services(lab))
    os.kill(daemon.balancer, signal.SIGKILL)
    daemon.proc.wait(5 * SLACK)
    assert "died of signal 9" in daemon.text()
    daemon.end(EXIT_FAILED)
    lab.daemon = None


def test_supervisor_that_dies_takes_the_balancer_along(lab):
    daemon = lab.start(*services(lab))
    pid = daemon.balancer
    daemon.proc.kill()
    daemon.proc.wait()
    wait_for("the balancer's end", lambda: "balancer" not in comm(pid))
    daemon.end(-signal.SIGKILL)
    lab.daemon = None


def test_balancer_has_only_what_it_needs(lab):
    daemon = lab.start(*services(lab))
    pid = daemon.balancer
    state = status_of(pid)
    uid, gid = pwd.getpwnam(USER).pw_uid, grp.getgrnam(GROUP).gr_gid
    assert state["Uid"].split() == [str(uid)] * 4
    assert state["Gid"].split() == [str(gid)] * 4
    assert state["Groups"].strip() == ""
    assert int(state["CapEff"], 16) == int(state["CapPrm"], 16) == 1 << CAP_NET_ADMIN
    for name in "CapInh", "CapBnd", "CapAmb":
        assert int(state[name], 16) == 0, name
    assert state["NoNewPrivs"] == "1"
    assert os.readlink(f"/proc/{pid}/root") == str(lab.dir / "empty")
    for task in os.listdir(f"/proc/{pid}/task"):
        assert status_of(f"{pid}/task/{task}")["Uid"].split()[1] == str(uid)


def test_supervisor_gives_up_what_it_no_longer_needs(lab):
    daemon = lab.start(*services(lab))
    wait_for("the end of the start", lambda: int(
        status_of(daemon.proc.pid)["CapEff"], 16) < 1 << 20)
    held = int(status_of(daemon.proc.pid)["CapEff"], 16)
    for cap in 1, 2, 19, 21:    # DAC_OVERRIDE, ..., SYS_PTRACE, SYS_ADMIN
        assert not held & 1 << cap


def test_user_of_the_command_line_goes_before_that_of_the_file(lab):
    daemon = lab.start(*services(lab), args=["-U", "daemon"])
    assert status_of(daemon.balancer)["Uid"].split()[0] == str(
        pwd.getpwnam("daemon").pw_uid)


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(lab):
    path = str(lab.dir / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.settimeout(5 * SLACK)
        daemon = lab.start(*services(lab), env={"NOTIFY_SOCKET": path})
        lines = sock.recv(4096).decode().splitlines()
        assert "READY=1" in lines and f"MAINPID={daemon.proc.pid}" in lines
        lab.stop()
        assert "STOPPING=1" in sock.recv(4096).decode()
    os.unlink(path)


@pytest.mark.parametrize("served", [4, 6])
def test_one_family_only(lab, answerer, served):
    lab.start(*services(lab), args=[f"-{served}"])
    assert who(lab.client, vip(served), 80) in {"b1", "b2", "b3"}
    with pytest.raises(ConnectionRefusedError):
        connect(lab.client, vip(10 - served), 80)


def test_queue_length_of_the_command_line_is_the_kernels(lab, answerer):
    daemon = lab.start(*services(lab), args=["-Q", "10"])
    packet = packets.udp(lab.client.address(4), vip(4), 15950, 53, b"x")
    with daemon.suspended(), packets.Injector(lab) as injector:
        for _ in range(30):
            injector.send(packet, 4)
        wait_for("a full queue", lambda: daemon.counters().queues[0] == {
            "queue": 0, "depth": 10, "queue_dropped": 20, "user_dropped": 0})
    wait_for("an empty queue", lambda: daemon.counters().queues[0]["depth"] == 0)
    assert ask(lab.client, vip(4), 53)
