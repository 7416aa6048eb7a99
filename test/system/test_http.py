"""HTTP with nginx and curl: what most people will do with it."""

import collections

import pytest

from lab import service, url
from servers import start_nginx


@pytest.fixture(scope="module")
def web(network):
    for host in network.backends:
        start_nginx(network, host, 80)
    network.start(service("web", network.backends, [80], scheduler="rr"))
    return network


def fetch(web, family, *words):
    return web.client.run("curl", "-sS", "-m", "10", *words,
                          url(family)).stdout.split()


def test_page_arrives_and_backend_sees_the_client_itself(web, family):
    name, address, _, port = fetch(web, family)
    assert name in {"b1", "b2", "b3"}
    assert address == web.client.address(family)
    assert port == "80"


def test_client_port_is_preserved(web, family):
    port = str(15000 + family)
    assert fetch(web, family, "--local-port", port)[2] == port


def test_requests_are_spread_over_all_backends(web, family):
    names = collections.Counter(fetch(web, family)[0] for _ in range(9))
    assert names == {"b1": 3, "b2": 3, "b3": 3}


def test_keepalive_connection_stays_with_its_backend(web, family):
    words = web.client.run("curl", "-sS", "-m", "10",
                           *[url(family)] * 5).stdout.split()
    assert len(set(words[0::4])) == 1 and len(set(words[2::4])) == 1


def test_many_clients_at_once_all_get_their_page(web, family):
    config = "".join(f'url = "{url(family)}"\n' for _ in range(200))
    path = web.write("curl.conf", config)
    text = web.client.run(
        "curl", "-sS", "-m", "60", "-Z", "--parallel-max", "50", "--no-keepalive",
        "-H", "Connection: close", "-K", path).stdout
    assert len(text.splitlines()) == 200


def test_one_vip_is_not_the_other(web, family):
    done = web.client.run("curl", "-sS", "-m", "5", url(family, number=1), ok=False)
    assert done.returncode == 7     # refused: nobody serves it
