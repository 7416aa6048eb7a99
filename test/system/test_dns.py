"""DNS with dnsmasq and dig: UDP request and reply, and TCP beside it."""

import collections

import pytest

from lab import service, vip
from servers import start_dns

LONG = ["x" * 250 + str(n) for n in range(10, 22)]    # about 3 KB of TXT


@pytest.fixture(scope="module")
def dns(network):
    for host in network.backends:
        start_dns(network, host, *[("long.test", text) for text in LONG])
    network.start(
        service("udp", network.backends, [53], protocol="udp", scheduler="rr"),
        service("tcp", network.backends, [53], protocol="tcp", scheduler="rr"))
    return network


def dig(dns, family, *words):
    text = dns.client.run("dig", "+short", "+time=3", "+tries=1",
                          f"@{vip(family)}", *words).stdout
    return [line.strip('"') for line in text.splitlines()]


def test_question_is_answered_over_udp(dns, family):
    assert dig(dns, family, "who.test", "TXT")[0] in {"b1", "b2", "b3"}


def test_question_is_answered_over_tcp(dns, family):
    assert dig(dns, family, "+tcp", "who.test", "TXT")[0] in {"b1", "b2", "b3"}


def test_questions_are_spread_over_all_servers(dns, family):
    names = collections.Counter(
        dig(dns, family, "who.test", "TXT")[0] for _ in range(9))
    assert names == {"b1": 3, "b2": 3, "b3": 3}


def test_answer_in_several_fragments_arrives_whole(dns, family):
    assert sorted(dig(dns, family, "+bufsize=4096", "+ignore", "long.test",
                      "TXT")) == LONG


def test_truncated_answer_is_asked_for_again_over_tcp(dns, family):
    assert sorted(dig(dns, family, "+bufsize=512", "long.test", "TXT")) == LONG
