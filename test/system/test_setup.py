"""loaded-setup: applies what a configuration needs, and takes away just that.

Needs root. Every test has a network namespace of its own with two interfaces,
pub and priv, and rules, settings and addresses of somebody else in it. Each
kind of firewall is tried: nft where the kernel has its queue expression, and
iptables with either of its two back ends.
"""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETUP = ROOT / "scripts/loaded-setup"
LOADED = pathlib.Path(os.environ.get("LOADED_BIN", ROOT / "build/loaded"))

# Many short programs: slow where the processor is emulated.
pytestmark = pytest.mark.timeout(600)

VIP4, VIP6 = "203.0.113.80", "2001:db8:80::80"
PACKETS = 40

CONFIG = """
workers = {{ cores = "0-1"; first_queue = 4; }};
{interfaces}
backend_networks = [ "10.0.0.0/24", "fd00::/64" ];
pools = ( {{ name = "p"; backends = ( {{ address = "10.0.0.1"; }},
                                      {{ address = "fd00::1"; }} ); }} );
services = ( {{ name = "s"; addresses = [ {vips} ]; protocol = "udp";
               ports = [ {ports} ]; forward = "{forward}"; scheduler = "rr"; pool = "p"; }} );
"""

FOREIGN_NFT = """
table inet foreign {
	counter untracked { }
	counter tracked { }
	chain pre {
		type filter hook prerouting priority filter; policy accept;
		udp sport 80 ct state untracked counter name untracked
		udp sport 80 ct state new,established counter name tracked
	}
}
"""

# With counters that are not zero, which nobody may reset.
FOREIGN_IPTABLES = """
*raw
:PREROUTING ACCEPT [7:700]
:OUTPUT ACCEPT [8:800]
:foreign - [0:0]
[1:100] -A PREROUTING -i lo -j foreign
[2:200] -A foreign -p tcp -m tcp --dport 9 -j ACCEPT
COMMIT
*mangle
:PREROUTING ACCEPT [7:700]
:INPUT ACCEPT [1:1]
:FORWARD ACCEPT [2:2]
:OUTPUT ACCEPT [3:3]
:POSTROUTING ACCEPT [4:4]
[3:300] -A POSTROUTING -o lo -j ACCEPT
COMMIT
"""

# Holds queues 4 and 5 of its namespace open without ever deciding.
LISTENER = """
import socket, struct, sys
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)	# SO_RCVBUFFORCE
s.bind((0, 0))
for queue in 4, 5:
    for attr, value in (1, struct.pack(">BBH", 1, 0, 0)), (2, struct.pack(">IB", 0, 1)):
        body = struct.pack("=BB", 0, 0) + struct.pack(">H", queue)
        body += struct.pack("=HH", 4 + len(value), attr) + value
        body += bytes(-len(body) % 4)
        s.send(struct.pack("=IHHII", 16 + len(body), 3 << 8 | 2, 1 | 4, 1, 0) + body)
        reply = s.recv(4096)
        assert struct.unpack_from("=i", reply, 16)[0] == 0, reply
print("ready", flush=True)
sys.stdin.read()
"""

SENDER = """
import socket, sys
family, source, target, count = sys.argv[1:]
for i in range(int(count)):
    s = socket.socket(socket.AF_INET6 if family == "6" else socket.AF_INET,
                      socket.SOCK_DGRAM)
    mine = (source.split("|")[0], int(source.split("|")[1]) or 20000 + i)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(mine)
    s.sendto(b"x", (target.split("|")[0], int(target.split("|")[1]) or 20000 + i))
"""


def run(*command, ok=True, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                          check=False, timeout=120, **options)
    assert not ok or done.returncode == 0, (command, done.stdout, done.stderr)
    return done


class Namespace:
    """One network namespace, reached by name."""

    def __init__(self, name):
        self.name = name
        self.path = None
        run("ip", "netns", "add", name)
        self.run("ip", "link", "set", "lo", "up")

    def command(self, *command):
        environment = [f"PATH={self.path}:{os.environ['PATH']}"] if self.path else []
        return ["ip", "netns", "exec", self.name, "env", *environment, *command]

    def run(self, *command, **options):
        return run(*self.command(*command), **options)

    def close(self):
        inode = os.stat(f"/run/netns/{self.name}").st_ino
        pathlib.Path(f"/run/loaded/setup-{inode}").unlink(missing_ok=True)
        run("ip", "netns", "del", self.name)

    @property
    def state(self):
        return pathlib.Path(f"/run/loaded/setup-{os.stat(f'/run/netns/{self.name}').st_ino}")

    def sysctl(self, name, value=None):
        path = f"/proc/sys/net/{name}"
        if value is not None:
            self.run("sh", "-c", f"echo {value} >{path}")
        return self.run("cat", path).stdout.strip()

    def rules(self):
        """All that iptables-save and nft say, but what policies and we count."""
        text = ""
        for command in ("iptables-save -c", "ip6tables-save -c", "nft -s list ruleset"):
            text += f"{command}:\n{self.run(*command.split()).stdout}"
        text = re.sub(r"^\[\d+:\d+\] (.*LOADED)", r"\1", text, flags=re.M)
        return re.sub(r"^#.*\n|(?<=^:)(\S+ \S+) .*", r"\1", text, flags=re.M)

    def settings(self):
        return self.run("sh", "-c", "cd /proc/sys/net && grep -rs . ipv4/ip_forward"
                        " ipv4/conf ipv6/conf ipv6/neigh | sort", ok=False).stdout

    def addresses(self):
        text = self.run("ip", "-json", "addr", "show").stdout
        return [(link["ifname"], a["local"], a["prefixlen"])
                for link in json.loads(text) for a in link["addr_info"]]

    def policy(self):
        """What makes the kernel answer for an address that it does not have."""
        return [self.run("ip", *words.split(), ok=False).stdout for words in (
            "-4 rule", "-6 rule", "-4 route show table 20000",
            "-6 route show table 20000", "-6 neigh show proxy")]

    def everything(self):
        return self.rules(), self.settings(), self.addresses(), self.policy()


class Lab(Namespace):
    """A balancer to be set up by one kind of firewall."""

    def __init__(self, name, kind, tmp):
        super().__init__(name)
        self.kind = kind
        self.tmp = tmp
        if kind != "nft":
            back_end = kind.removeprefix("iptables-")
            self.path = tmp / "bin"
            self.path.mkdir()
            for tool in "iptables", "ip6tables":
                for part in "", "-save", "-restore":
                    (self.path / (tool + part)).symlink_to(
                        f"/usr/sbin/xtables-{back_end}-multi")
        for link in "pub", "priv":
            self.run("ip", "link", "add", link, "type", "veth", "peer", f"{link}-peer")
            self.run("ip", "link", "set", link, "up")
            self.run("ip", "link", "set", f"{link}-peer", "up")
            # what a new namespace starts with depends on the machine
            self.sysctl(f"ipv4/conf/{link}/rp_filter", 1)
            self.sysctl(f"ipv6/conf/{link}/accept_ra", 1)
            self.sysctl(f"ipv6/conf/{link}/dad_transmits", 0)
        self.sysctl("ipv4/ip_forward", 0)
        self.sysctl("ipv4/conf/all/rp_filter", 0)
        self.sysctl("ipv4/conf/all/accept_redirects", 0)
        self.sysctl("ipv4/conf/all/send_redirects", 1)
        self.run("nft", "-f", "-", input=FOREIGN_NFT)
        self.run("iptables-restore", "-c", input=FOREIGN_IPTABLES)
        self.run("ip6tables-restore", "-c", input=FOREIGN_IPTABLES)
        self.wait_for_links()

    def wait_for_links(self):
        for _ in range(100):
            links = json.loads(self.run("ip", "-json", "-6", "addr", "show").stdout)
            addresses = [a for link in links for a in link["addr_info"]]
            if len(addresses) == 5 and not any(a.get("tentative") for a in addresses):
                return
            time.sleep(0.1)
        raise AssertionError("the links do not come up")

    def config(self, name="a.conf", vips=(VIP4, VIP6), ports=("80", "8000-8099"),
               interfaces='interfaces = { public = "pub"; private = "priv"; };',
               forward="nat"):
        path = self.tmp / name
        path.write_text(CONFIG.format(
            interfaces=interfaces, forward=forward, vips=", ".join(f'"{v}"' for v in vips),
            ports=", ".join(f'"{p}"' for p in ports)))
        return path

    def setup_command(self, verb, *options):
        kind = "nft" if self.kind == "nft" else "iptables"
        known = [] if verb == "down" else ["-l", LOADED, "-t", kind]
        return [SETUP, verb, *known, *options]

    def setup(self, verb, *options, ok=True):
        return self.run(*self.setup_command(verb, *options), ok=ok)


def kernel_has_nft_queue():
    rules = ("add table inet probe; add chain inet probe c;"
             " add rule inet probe c queue num 0")
    return run("unshare", "-n", "nft", "-c", rules, ok=False).returncode == 0


KINDS = ["iptables-nft", "iptables-legacy"]
if os.geteuid() == 0 and kernel_has_nft_queue():
    KINDS.append("nft")
else:
    print("test_setup: this kernel has no nft queue expression", file=sys.stderr)


@pytest.fixture(autouse=True)
def needed():
    assert os.geteuid() == 0, "must run as root"
    assert LOADED.exists(), f"{LOADED} is not built"


@pytest.fixture(params=KINDS)
def lab(request, tmp_path):
    made = Lab(f"ldsetup-{os.getpid()}", request.param, tmp_path)
    yield made
    made.close()


@pytest.fixture
def one_lab(tmp_path):
    made = Lab(f"ldsetup-{os.getpid()}", "iptables-nft", tmp_path)
    yield made
    made.close()


# --- up, down and what is in between --------------------------------------

def test_up_applies_and_down_leaves_everything_as_it_was(lab):
    before = lab.everything()
    lab.setup("up", "-c", lab.config())
    assert lab.setup("status", "-c", lab.config()).returncode == 0
    assert lab.rules() != before[0]
    assert lab.sysctl("ipv4/ip_forward") == "1"
    assert lab.sysctl("ipv6/conf/all/forwarding") == "1"
    assert lab.sysctl("ipv4/conf/pub/accept_local") == "1"
    assert lab.sysctl("ipv4/conf/priv/rp_filter") == "2"
    assert lab.sysctl("ipv4/conf/all/send_redirects") == "0"
    assert lab.addresses() == before[2]
    lab.setup("down")
    assert lab.everything() == before
    assert not lab.state.exists()


def test_up_touches_nobody_elses_rules(lab):
    before = lab.rules().splitlines()
    lab.setup("up", "-c", lab.config())
    lines = lab.rules().splitlines()
    assert [line for line in before if line not in lines] == []


def test_a_second_up_changes_nothing(lab):
    lab.setup("up", "-a", "-c", lab.config())
    once, written = lab.everything(), lab.state.stat()
    done = lab.setup("up", "-a", "-c", lab.config())
    assert "nothing to change" in done.stdout
    assert lab.everything() == once
    assert (lab.state.stat().st_ino, lab.state.stat().st_mtime_ns) == (
        written.st_ino, written.st_mtime_ns)


def test_down_twice_and_down_without_up_are_fine(lab):
    before = lab.everything()
    assert "no up" in lab.setup("down").stdout
    lab.setup("up", "-c", lab.config())
    lab.setup("down")
    assert "no up" in lab.setup("down").stdout
    assert lab.everything() == before


def test_up_follows_the_configuration_and_drops_a_family(lab):
    before = lab.everything()
    lab.setup("up", "-a", "-c", lab.config())
    changed = lab.config("b.conf", vips=[VIP4], ports=["81"])
    assert lab.setup("status", "-c", changed, ok=False).returncode == 1
    lab.setup("up", "-c", changed)
    assert lab.setup("status", "-c", changed).returncode == 0
    assert VIP6 not in lab.rules() and "81" in lab.rules() and "8099" not in lab.rules()
    assert lab.sysctl("ipv6/conf/all/forwarding") == "0"
    assert ("pub", VIP4, 32) in lab.addresses()
    assert ("pub", VIP6, 128) not in lab.addresses()
    assert "LOADED" not in lab.run("ip6tables-save").stdout
    lab.setup("down")
    assert lab.everything() == before


def test_status_sees_what_is_missing_and_up_repairs_it(lab):
    lab.setup("up", "-a", "-c", lab.config())
    good = lab.everything()
    if lab.kind == "nft":
        lab.run("nft", "flush", "chain", "inet", "loaded", "postrouting")
    else:
        lab.run("ip6tables", "-t", "mangle", "-F", "LOADED_POSTROUTING")
    lab.sysctl("ipv4/conf/pub/accept_local", 0)
    lab.run("ip", "addr", "del", f"{VIP4}/32", "dev", "pub")
    done = lab.setup("status", "-c", lab.config(), ok=False)
    assert done.returncode == 1
    assert "accept_local=1: missing" in done.stdout
    assert f"{VIP4}/32: missing" in done.stdout
    lab.setup("up", "-c", lab.config())
    assert lab.setup("status", "-c", lab.config()).returncode == 0
    assert lab.rules() == good[0] and sorted(lab.addresses()) == sorted(good[2])


def test_status_without_up_is_not_complete(lab):
    assert lab.setup("status", "-c", lab.config(), ok=False).returncode == 1
    assert not lab.state.exists()


# --- addresses and settings -----------------------------------------------

def test_only_missing_vips_are_added_and_only_those_removed(one_lab):
    one_lab.run("ip", "addr", "add", f"{VIP4}/24", "dev", "pub")
    before = one_lab.addresses()
    one_lab.setup("up", "-a", "-c", one_lab.config())
    assert set(one_lab.addresses()) - set(before) == {("pub", VIP6, 128)}
    one_lab.setup("down")
    assert one_lab.addresses() == before


def test_an_address_added_later_is_kept_until_down(one_lab):
    one_lab.setup("up", "-c", one_lab.config())
    one_lab.setup("up", "-a", "-c", one_lab.config())
    one_lab.setup("up", "-c", one_lab.config())
    assert ("pub", VIP4, 32) in one_lab.addresses()


def test_what_someone_changed_after_up_stays(one_lab):
    one_lab.setup("up", "-c", one_lab.config())
    one_lab.sysctl("ipv4/conf/pub/rp_filter", 0)
    one_lab.sysctl("ipv4/conf/all/accept_redirects", 1)
    one_lab.setup("down")
    assert one_lab.sysctl("ipv4/conf/pub/rp_filter") == "0"
    assert one_lab.sysctl("ipv4/conf/all/accept_redirects") == "1"
    assert one_lab.sysctl("ipv4/conf/priv/rp_filter") == "1"


def test_forwarding_of_one_interface_survives(one_lab):
    one_lab.sysctl("ipv4/conf/priv/forwarding", 1)
    one_lab.sysctl("ipv6/conf/priv/forwarding", 1)
    before = one_lab.settings()
    one_lab.setup("up", "-c", one_lab.config())
    one_lab.setup("down")
    assert one_lab.settings() == before


@pytest.mark.parametrize("everywhere, own, after",
                         [(0, 0, "0"), (0, 1, "2"), (0, 2, "2"),
                          (1, 0, "2"), (1, 2, "2"), (2, 0, "0"), (2, 1, "1")])
def test_only_a_strict_rp_filter_is_loosened(one_lab, everywhere, own, after):
    one_lab.sysctl("ipv4/conf/all/rp_filter", everywhere)
    one_lab.sysctl("ipv4/conf/pub/rp_filter", own)
    one_lab.setup("up", "-c", one_lab.config())
    assert one_lab.sysctl("ipv4/conf/pub/rp_filter") == after
    assert one_lab.setup("status", "-c", one_lab.config()).returncode == 0


@pytest.mark.parametrize("forwarding, accept_ra, after",
                         [(0, 1, "2"), (0, 0, "0"), (1, 1, "1"), (1, 2, "2")])
def test_a_host_goes_on_with_router_advertisements(one_lab, forwarding, accept_ra, after):
    one_lab.sysctl("ipv6/conf/all/forwarding", forwarding)
    one_lab.sysctl("ipv6/conf/priv-peer/accept_ra", accept_ra)
    before = one_lab.settings()
    for _ in range(2):
        one_lab.setup("up", "-c", one_lab.config())
        assert one_lab.sysctl("ipv6/conf/priv-peer/accept_ra") == after
    one_lab.setup("down")
    assert one_lab.settings() == before


def test_without_interfaces_all_are_set(one_lab):
    before = one_lab.everything()
    config = one_lab.config(interfaces="")
    one_lab.setup("up", "-a", "-c", config)
    assert one_lab.sysctl("ipv4/conf/all/accept_local") == "1"
    assert one_lab.sysctl("ipv4/conf/pub-peer/send_redirects") == "0"
    assert one_lab.addresses() == before[2]
    one_lab.setup("down")
    assert one_lab.everything() == before


# --- VIPs of dr -----------------------------------------------------------

def test_vips_of_dr_are_answered_for_without_being_addresses(lab):
    before = lab.everything()
    config = lab.config(forward="dr")
    lab.setup("up", "-a", "-c", config)
    assert lab.addresses() == before[2]
    rules4, rules6, routes4, routes6, proxies = lab.policy()
    assert f"20000:\tfrom all to {VIP4} iif pub lookup 20000" in rules4
    assert f"20000:\tfrom all to {VIP6} iif pub lookup 20000" in rules6
    assert f"local {VIP4} dev lo" in routes4
    assert f"local {VIP6} dev lo" in routes6
    assert f"{VIP6} dev pub" in proxies
    assert lab.sysctl("ipv6/conf/pub/proxy_ndp") == "1"
    assert lab.sysctl("ipv6/neigh/pub/proxy_delay") == "0"
    done = lab.setup("status", "-c", config)
    assert f"vip {VIP4}: ok\n" in done.stdout and f"vip {VIP6}: ok\n" in done.stdout
    once = lab.everything()
    assert "nothing to change" in lab.setup("up", "-c", config).stdout
    assert lab.everything() == once
    lab.setup("down")
    assert lab.everything() == before


def test_without_being_asked_to_no_vip_is_set_up(one_lab):
    config = one_lab.config(forward="dr")
    before = one_lab.policy()
    one_lab.setup("up", "-c", config)
    assert one_lab.policy() == before
    done = one_lab.setup("status", "-c", config)
    assert f"vip {VIP4}: not set up (see -a)" in done.stdout


def test_of_a_vip_only_what_is_missing_is_added_and_only_that_removed(one_lab):
    one_lab.run("ip", "rule", "add", "pref", "20000", "iif", "pub", "to", VIP4,
                "lookup", "20000")
    one_lab.run("ip", "-6", "neigh", "add", "proxy", VIP6, "dev", "pub")
    # another's, beside ours
    one_lab.run("ip", "route", "add", "local", "203.0.113.9", "dev", "lo",
                "table", "20000")
    before = one_lab.everything()
    done = one_lab.setup("up", "-a", "-c", one_lab.config(forward="dr"))
    assert f"vip {VIP4}: rule" not in done.stdout
    assert f"vip {VIP4}: route added" in done.stdout
    assert f"vip {VIP6}: proxy" not in done.stdout
    one_lab.setup("down")
    assert one_lab.everything() == before


@pytest.mark.parametrize("lost", [
    ["-4", "rule", "del", "pref", "20000"], ["-6", "rule", "del", "pref", "20000"],
    ["-4", "route", "del", "local", VIP4, "table", "20000"],
    ["-6", "route", "del", "local", VIP6, "dev", "lo", "table", "20000"],
    ["-6", "neigh", "del", "proxy", VIP6, "dev", "pub"]],
    ids=lambda lost: "".join(lost[:2]))
def test_status_sees_a_lost_part_of_a_vip_and_up_repairs_it(one_lab, lost):
    before = one_lab.everything()
    config = one_lab.config(forward="dr")
    one_lab.setup("up", "-a", "-c", config)
    good = one_lab.everything()
    one_lab.run("ip", *lost)
    done = one_lab.setup("status", "-c", config, ok=False)
    assert done.returncode == 1
    assert len(re.findall("vip .*: missing", done.stdout)) == 1
    one_lab.setup("up", "-c", config)
    assert one_lab.everything() == good
    one_lab.setup("down")
    assert one_lab.everything() == before


def test_a_vip_follows_the_mode_of_its_service(one_lab):
    before = one_lab.everything()
    nat, direct = one_lab.config(), one_lab.config("b.conf", forward="dr")
    one_lab.setup("up", "-a", "-c", nat)
    with_nat = one_lab.everything()
    done = one_lab.setup("up", "-c", direct)
    assert one_lab.addresses() == before[2]
    assert done.stderr == ""
    assert one_lab.setup("status", "-c", direct).returncode == 0
    one_lab.setup("up", "-c", nat)
    assert one_lab.everything()[1:] == with_nat[1:]
    one_lab.setup("down")
    assert one_lab.everything() == before


def test_a_vip_of_dr_that_is_an_address_here_is_warned_of(one_lab):
    one_lab.run("ip", "addr", "add", f"{VIP4}/32", "dev", "priv")
    config = one_lab.config(forward="dr")
    done = one_lab.setup("up", "-a", "-c", config)
    assert done.stderr == (f"loaded-setup: {VIP4} is an address of this machine:"
                           " its services in dr cannot work\n")
    done = one_lab.setup("status", "-c", config, ok=False)
    assert done.returncode == 1
    assert f"vip {VIP4}: an address of this machine" in done.stdout
    assert f"vip {VIP6}: ok" in done.stdout


# --- what can go wrong ----------------------------------------------------

def test_a_failed_vip_is_taken_back(one_lab):
    # somebody else's, in the way of ours
    one_lab.run("ip", "route", "add", "blackhole", VIP4, "table", "20000")
    config = one_lab.config(forward="dr")
    before = one_lab.everything()
    done = one_lab.setup("up", "-a", "-c", config, ok=False)
    assert done.returncode == 1
    assert f"cannot add the route of VIP {VIP4} on pub" in done.stderr
    assert f"vip {VIP4}: rule removed" in done.stderr
    assert one_lab.everything() == before
    assert not one_lab.state.exists()


def test_a_failed_first_up_is_taken_back(lab):
    lab.sysctl("ipv6/conf/pub/disable_ipv6", 1)
    before = lab.everything()
    done = lab.setup("up", "-a", "-c", lab.config(), ok=False)
    assert done.returncode == 1
    assert f"cannot add {VIP6}" in done.stderr
    assert lab.everything() == before
    assert not lab.state.exists()


def test_a_failed_change_goes_back_to_the_state_before(lab):
    old = lab.config(vips=[VIP4])
    lab.setup("up", "-c", old)
    lab.sysctl("ipv6/conf/pub/disable_ipv6", 1)
    good, state = lab.everything(), lab.state.read_text()
    done = lab.setup("up", "-a", "-c", lab.config("b.conf", ports=["81"]), ok=False)
    assert done.returncode == 1
    assert lab.everything() == good
    assert lab.state.read_text() == state
    assert lab.setup("status", "-c", old).returncode == 0


def test_a_missing_interface_changes_nothing(one_lab):
    before = one_lab.everything()
    config = one_lab.config(interfaces='interfaces = { public = "none"; private = "priv"; };')
    done = one_lab.setup("up", "-c", config, ok=False)
    assert done.returncode == 1
    assert "is the interface missing?" in done.stderr
    assert one_lab.everything() == before


@pytest.mark.parametrize("forward", ["nat", "dr"])
def test_a_killed_up_can_be_taken_back(lab, forward):
    before = lab.everything()
    config = lab.config(forward=forward)
    seed = int(os.environ.get("SEED", time.time()))
    print(f"SEED={seed}")
    delays = random.Random(seed)
    started = time.monotonic()
    lab.setup("up", "-a", "-c", config)
    lab.setup("down")
    length = time.monotonic() - started
    for _ in range(4):
        up = subprocess.Popen(lab.command(*lab.setup_command("up", "-a", "-c", config)),
                              start_new_session=True, stdout=subprocess.DEVNULL)
        time.sleep(delays.uniform(0, length))
        os.killpg(up.pid, signal.SIGKILL)
        up.wait()
        lab.setup("down")
        assert lab.everything() == before


def test_a_bad_configuration_is_passed_on(one_lab):
    path = one_lab.tmp / "bad.conf"
    path.write_text("\nnonsense = 1;\n")
    for verb in "up", "status":
        done = one_lab.setup(verb, "-c", path, ok=False)
        assert done.returncode == 2
        assert f"{path}:2: " in done.stderr


@pytest.mark.parametrize("arguments", [
    [], ["up"], ["status"], ["sideways"], ["up", "down"], ["up", "-c"], ["up", "-x"],
    ["up", "-c", "f", "-t", "pf"]])
def test_wrong_usage_has_status_2(arguments):
    done = run(SETUP, *arguments, ok=False)
    assert done.returncode == 2
    assert done.stderr.startswith("loaded-setup: ")


def test_help_has_status_0():
    assert run(SETUP, "--help").stdout.startswith("usage: loaded-setup up -c FILE")


def test_the_kind_is_chosen_by_trying(one_lab):
    done = one_lab.run(SETUP, "up", "-l", LOADED, "-c", one_lab.config())
    if "nft" in KINDS:
        assert "taking nft\n" in done.stdout
    else:
        assert "taking iptables, as nft does not work: the kernel has no" in done.stdout
    assert one_lab.run(SETUP, "status", "-l", LOADED, "-c", one_lab.config()).returncode == 0


def test_another_kind_replaces_the_first(one_lab):
    if "nft" not in KINDS:
        done = one_lab.run(SETUP, "up", "-t", "nft", "-l", LOADED, "-c", one_lab.config(),
                           ok=False)
        assert done.returncode == 1
        assert "nft does not work" in done.stderr
        return
    before = one_lab.everything()
    for kind in "iptables", "nft", "iptables":
        one_lab.run(SETUP, "up", "-t", kind, "-l", LOADED, "-c", one_lab.config())
        tables = one_lab.rules()
        assert ("LOADED_" in tables) == (kind == "iptables")
        assert ("table inet loaded" in tables) == (kind == "nft")
    one_lab.setup("down")
    assert one_lab.everything() == before


def test_namespaces_do_not_know_each_other(one_lab, tmp_path):
    (tmp_path / "other").mkdir()
    other = Lab(f"ldsetup2-{os.getpid()}", "iptables-legacy", tmp_path / "other")
    try:
        one_before, other_before = one_lab.everything(), other.everything()
        one_lab.setup("up", "-c", one_lab.config())
        assert other.everything() == other_before
        other.setup("up", "-a", "-c", other.config())
        one_lab.setup("down")
        assert one_lab.everything() == one_before
        assert other.setup("status", "-c", other.config()).returncode == 0
        other.setup("down")
        assert other.everything() == other_before
    finally:
        other.close()


# --- traffic --------------------------------------------------------------

class Neighbour(Namespace):
    """A client or a backend behind one of the lab's interfaces."""

    def __init__(self, lab, link, addresses, gateways):
        super().__init__(f"{lab.name}-{link}")
        lab.run("ip", "link", "set", f"{link}-peer", "netns", self.name)
        self.run("ip", "link", "set", f"{link}-peer", "up")
        for address, gateway in zip(addresses, gateways):
            lab.run("ip", "addr", "add", gateway, "dev", link, "nodad")
            self.run("ip", "addr", "add", address, "dev", f"{link}-peer", "nodad")
            self.run("ip", "route", "add", "default", "via", gateway.split("/")[0])


def send(sender, family, source, target, count=PACKETS):
    sender.run("/usr/bin/python3", "-c", SENDER, family, source, target, str(count))


def queued(lab):
    """How many packets each queue was given, by queue."""
    rows = lab.run("cat", "/proc/net/netfilter/nfnetlink_queue").stdout.splitlines()
    return {int(row.split()[0]): int(row.split()[7]) for row in rows}


def counted(lab):
    """Replies that connection tracking did not see, and those that it did."""
    text = lab.run("nft", "list", "counters", "table", "inet", "foreign").stdout
    return tuple(int(re.search(name + r" {\s*packets (\d+)", text)[1])
                 for name in (" untracked", " tracked"))


def wait_for(what, wanted):
    """The first packets wait for the neighbour's hardware address."""
    for _ in range(100):
        if what() == wanted:
            break
        time.sleep(0.1)
    assert what() == wanted


@pytest.fixture
def neighbours(lab):
    made = []
    try:
        made.append(Neighbour(lab, "pub", ["198.51.100.1/24", "2001:db8:1::1/64"],
                              ["198.51.100.254/24", "2001:db8:1::fe/64"]))
        made.append(Neighbour(lab, "priv", ["10.0.0.1/24", "fd00::1/64"],
                              ["10.0.0.254/24", "fd00::fe/64"]))
        yield made
    finally:
        for one in made:
            one.close()


@pytest.mark.parametrize("family, client, vip, backend, balancer", [
    ("4", "198.51.100.1", VIP4, "10.0.0.1", "10.0.0.254"),
    ("6", "2001:db8:1::1", VIP6, "fd00::1", "fd00::fe")])
def test_both_directions_of_a_flow_reach_the_same_worker(lab, neighbours, family, client,
                                                         vip, backend, balancer):
    public, private = neighbours
    lab.setup("up", "-a", "-c", lab.config())
    with subprocess.Popen(lab.command("/usr/bin/python3", "-c", LISTENER), text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as listener:
        try:
            assert listener.stdout.readline() == "ready\n"
            send(public, family, f"{client}|0", f"{vip}|80")
            wait_for(lambda: sum(queued(lab).values()), PACKETS)
            there = queued(lab)
            assert min(there.values()) > 0
            send(private, family, f"{backend}|80", f"{client}|0")
            back = {queue: 2 * n for queue, n in there.items()}
            wait_for(lambda: queued(lab), back)
            assert counted(lab) == (PACKETS, 0)
            # not ours: another port, and what a backend says to the balancer
            send(private, family, f"{backend}|79", f"{client}|0")
            send(private, family, f"{backend}|80", f"{balancer}|0")
            wait_for(lambda: counted(lab), (PACKETS, PACKETS))
            assert queued(lab) == back
        finally:
            listener.stdin.close()
            listener.wait()
    lab.setup("down")
