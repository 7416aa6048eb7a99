"""Datagrams larger than a link's MTU: only the first fragment has ports, so
they can be balanced only if the kernel puts them together first."""

import pytest

from lab import service, vip
from servers import ask


@pytest.fixture(scope="module")
def fragments(network, answerer):
    network.start(service("udp", network.backends, [53], protocol="udp"))
    return network


@pytest.mark.parametrize("size", [1473, 8000, 60000])
def test_datagram_in_fragments_is_answered_whole(fragments, family, size):
    data = bytes(range(256)) * (size // 256 + 1)
    assert ask(fragments.client, vip(family), 53, data[:size]).data == data[:size]


def test_fragments_of_many_datagrams_are_not_mixed_up(fragments, family):
    for number in range(20):
        data = bytes([number]) * 5000
        assert ask(fragments.client, vip(family), 53, data).data == data
