"""Programs that check a backend: how they are run, and as whom."""

import os
import pathlib
import pwd

import pytest

from lab import LOADED, SLACK, service, wait_for

EXIT_USAGE = 2
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def start(lab):
    """Starts the daemon with a check by a script of these lines."""
    spool = lab.dir / "spool"
    spool.mkdir(exist_ok=True)
    os.chown(spool, NOBODY.pw_uid, NOBODY.pw_gid)

    def start(*lines, timeout=400, **check):
        for old in spool.iterdir():
            old.unlink()
        script = lab.write("probe", "\n".join(["#!/bin/bash", *lines]) + "\n")
        script.chmod(0o755)
        lab.start(service("web", lab.backends[:1], [80], families=[4], pool={
            "check": {"type": "exec", "program": str(script), "user": "nobody",
                      "interval": "300ms", "fast_interval": "200ms",
                      "timeout": f"{timeout * SLACK}ms", **check}}))
        return spool
    return start


def health(lab, wanted, **more):
    return lab.daemon.wait_state("web", lab.backends[0].ip[4], health=wanted,
                                 **more)


def processes_of(script):
    found = []
    for where in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (where / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(script).encode() in words:
            found.append(int(where.name))
    return found


def test_program_gets_vip_backend_protocol_port_and_timeout(lab, start):
    spool = start('printf "%s\\n" "$@" >' + f"{lab.dir}/spool/words.new",
                  f"mv {lab.dir}/spool/words.new {lab.dir}/spool/words")
    health(lab, "up")
    assert (spool / "words").read_text().split() == [
        "203.0.113.80", "10.0.0.1", "tcp", "80", str(400 * SLACK)]


def test_program_runs_as_its_user_and_with_nothing_else(lab, start):
    spool = start(f"out={lab.dir}/spool/facts",
                  "{ grep -E '^(Uid|Gid|Groups|CapEff|CapPrm|SigBlk|NoNewPrivs)'"
                  " /proc/self/status; pwd; ls /proc/$$/fd | wc -l; env; } >$out")
    health(lab, "up")
    text = (spool / "facts").read_text()
    facts = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    assert facts["Uid"].split() == [str(NOBODY.pw_uid)] * 4
    assert facts["Gid"].split() == [str(NOBODY.pw_gid)] * 4
    assert set(facts["Groups"].split()) <= {str(NOBODY.pw_gid)}
    assert int(facts["CapEff"], 16) == int(facts["CapPrm"], 16) == 0
    assert int(facts["SigBlk"], 16) == 0 and facts["NoNewPrivs"] == "1"
    rest = [line for line in text.splitlines() if ":\t" not in line]
    assert rest[0] == "/"
    assert int(rest[1]) <= 5        # 0-2, the script, the directory itself
    assert "PATH=" in text and "LOADED" not in text and "PYTHON" not in text


def test_argument_is_never_read_by_a_shell(lab, start):
    """The program is one file, whatever its name looks like."""
    spool = start("exit 0")
    odd = lab.dir / "probe; touch spool-evil $(id)"
    odd.write_text(f"#!/bin/bash\ntouch {spool}/ran\n")
    odd.chmod(0o755)
    start("exit 0", program=str(odd))
    health(lab, "up")
    assert (spool / "ran").exists() and not list(lab.dir.glob("spool-evil*"))


def test_first_line_of_output_says_why(lab, start):
    start("echo out of paper", "echo and of ink", "exit 2")
    assert health(lab, "down", result="exec_status")["reason"] == (
        "exit status 2: out of paper")


def test_hanging_program_is_killed_with_its_children(lab, start):
    spool = start("sleep 600 &", f"echo $! >>{lab.dir}/spool/children", "wait",
                  timeout=200)
    state = health(lab, "down", result="exec_timeout")
    assert str(200 * SLACK) in state["reason"]
    lab.stop()
    for child in (spool / "children").read_text().split():
        wait_for("its end", lambda c=child: not pathlib.Path(
            f"/proc/{c}/cmdline").exists())
    wait_for("the program's end", lambda: not processes_of(lab.dir / "probe"))


def test_programs_of_a_check_end_with_the_daemon(lab, start):
    start("sleep 600", timeout=60000)
    wait_for("the program", lambda: processes_of(lab.dir / "probe"))
    lab.stop()
    wait_for("its end", lambda: not processes_of(lab.dir / "probe"))


def test_backend_follows_what_the_program_says(lab, start):
    verdict = lab.dir / "verdict"
    verdict.write_text("0")
    start(f"exit $(cat {verdict})", fall=2, rise=2)
    for status, wanted in ("0", "up"), ("1", "down"), ("0", "up"):
        verdict.write_text(status)
        health(lab, wanted)


def test_program_never_runs_as_root(lab):
    conf = lab.write("root.conf", lab.config(service(
        "web", lab.backends[:1], [80], pool={"check": {
            "type": "exec", "program": "/bin/true", "user": "root"}})))
    done = lab.lb.run(LOADED, "-n", "-c", conf, ok=False)
    assert done.returncode == EXIT_USAGE and "root" in done.stderr
