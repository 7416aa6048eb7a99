"""Fixtures of the system tests: a lab for each file, taken away at its end."""

import os
import shutil

import pytest

import lab as lab_module
from servers import Answerer

PROGRAMS = ["nginx", "dnsmasq", "dig", "curl", "iperf3", "ethtool",
            "iptables", "ip", "openssl", "ss", "setpriv"]
DEFAULT_TIMEOUT = 120


def pytest_collection_modifyitems(items):
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(
                DEFAULT_TIMEOUT * lab_module.SLACK))


@pytest.fixture(scope="session")
def machine():
    """What all labs need of this machine."""
    assert os.geteuid() == 0, "the system tests need root"
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    assert not missing, f"not installed: {' '.join(missing)}"
    assert lab_module.LOADED.exists(), (
        f"{lab_module.LOADED} is not built; LOADED_BIN can name another one")
    lab_module.remove_stale()
    # In its empty chroot the balancer cannot look for leaks, and says so.
    os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=0")


@pytest.fixture(scope="module")
def network(machine):
    """A lab whose daemon ends with each test that started it."""
    lab = lab_module.Lab()
    yield lab
    lab.close()


@pytest.fixture
def lab(network):
    """For tests that start a daemon of their own."""
    yield network
    network.stop()


@pytest.fixture(scope="module")
def answerer(network):
    """Backends with a server that answers on the usual ports."""
    server = network.serve(Answerer())
    for host in network.backends:
        server.listen(host, 80, 8080)
        server.listen(host, 53, 5353, protocol="udp")
    return server


@pytest.fixture(params=[4, 6], ids=["v4", "v6"])
def family(request):
    return request.param
