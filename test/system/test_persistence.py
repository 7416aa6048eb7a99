"""Later flows of the same client go to the backend of its first."""

import time

import pytest

from lab import SLACK, service, vip
from servers import ask, who

TIMEOUT = 2 * SLACK


@pytest.fixture(scope="module")
def sticky(network, answerer):
    def persistent(name, port, **settings):
        return service(name, network.backends, [port], scheduler="rr",
                       persistence={"timeout": f"{TIMEOUT}s", **settings})
    network.start(
        persistent("client", 80, mask4=32, mask6=128),
        persistent("prefix", 8080, mask4=24, mask6=64),
        service("udp", network.backends, [53], protocol="udp", scheduler="rr",
                persistence={"timeout": "1m"}))
    return network


def servers(sticky, family, port, sources):
    return [who(sticky.client, vip(family), port, source=source)
            for source in sources]


def test_client_with_many_ports_has_one_backend(sticky, family):
    source = sticky.client.address(family, net=10)
    assert len(set(servers(sticky, family, 80, [source] * 12))) == 1


def test_other_clients_are_still_spread(sticky, family):
    sources = [sticky.client.address(family, net=11, host=n) for n in range(1, 7)]
    names = servers(sticky, family, 80, sources)
    assert sorted(names) == ["b1", "b1", "b2", "b2", "b3", "b3"]
    assert servers(sticky, family, 80, sources) == names


def test_prefix_shares_one_backend(sticky, family):
    sources = [sticky.client.address(family, net=12, host=n) for n in range(1, 7)]
    assert len(set(servers(sticky, family, 8080, sources))) == 1


def test_prefixes_are_spread(sticky, family):
    sources = [sticky.client.address(family, net=n) for n in (13, 14, 15)]
    assert len(set(servers(sticky, family, 8080, sources))) == 3


def test_client_is_forgotten_after_the_timeout(sticky, family):
    source = sticky.client.address(family, net=16)
    first = servers(sticky, family, 80, [source] * 4)
    assert len(set(first)) == 1
    seen = {first[0]}
    for _ in range(2):          # rr moves on for a client it does not know
        time.sleep(TIMEOUT + 1)
        seen.add(who(sticky.client, vip(family), 80, source=source))
    assert len(seen) > 1


def test_client_that_comes_back_in_time_is_remembered_longer(sticky, family):
    source = sticky.client.address(family, net=17)
    names = set()
    for _ in range(4):
        names.add(who(sticky.client, vip(family), 80, source=source))
        time.sleep(TIMEOUT * 0.6)
    assert len(names) == 1


def test_udp_flows_of_a_client_have_one_backend(sticky, family):
    assert len({ask(sticky.client, vip(family), 53).server
                for _ in range(9)}) == 1
