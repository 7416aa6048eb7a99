"""Which ports a service takes, and where they lead."""

import pytest

from lab import backend, service, vip
from servers import Answerer, ask, connect

RANGE = [20000, 20057, 20100]


@pytest.fixture(scope="module")
def ports(network):
    server = network.serve(Answerer())
    b1, b2, b3 = network.backends
    for host in network.backends:
        for protocol in "tcp", "udp":
            server.listen(host, 80, 8080, 8081, *RANGE, 1, 65535,
                          protocol=protocol)
    to_8080 = [backend(b1, port=8080)]
    network.start(
        service("translated", to_8080, [80]),
        service("translated-udp", to_8080, [80], protocol="udp"),
        service("range", [b2], ["20000-20100", 7]),
        service("range-udp", [b2], ["20000-20100"], protocol="udp"),
        service("range-to-one", [backend(b3, port=8081)], ["30000-30100"]),
        service("any", [b3], ["any"], vips=[1]),
        service("any-udp", [b3], ["any"], vips=[1], protocol="udp"),
        service("shared", to_8080, [80], vips=[2]),
        service("shared-udp", to_8080, [80], vips=[2], protocol="udp"))
    return network


def meet(ports, protocol, address, port, **options):
    if protocol == "udp":
        return ask(ports.client, address, port, **options)
    with connect(ports.client, address, port, **options) as connection:
        assert connection.echo()
        return connection


@pytest.fixture(params=["tcp", "udp"])
def protocol(request):
    return request.param


def test_port_is_translated_and_back(ports, family, protocol):
    answer = meet(ports, protocol, vip(family), 80)
    assert (answer.server, answer.local_port) == ("b1", 8080)


@pytest.mark.parametrize("port", RANGE)
def test_port_of_a_range_is_kept(ports, family, protocol, port):
    answer = meet(ports, protocol, vip(family), port)
    assert (answer.server, answer.local_port) == ("b2", port)


@pytest.mark.parametrize("port", [19999, 20101])
def test_port_beside_a_range_is_not_served(ports, family, protocol, port):
    with pytest.raises(ConnectionRefusedError):
        meet(ports, protocol, vip(family), port)


@pytest.mark.parametrize("port", [30000, 30100])
def test_range_may_lead_to_one_port(ports, family, port):
    answer = meet(ports, "tcp", vip(family), port)
    assert (answer.server, answer.local_port) == ("b3", 8081)


@pytest.mark.parametrize("port", [1, 80, 8080, 65535])
def test_any_takes_every_port(ports, family, protocol, port):
    answer = meet(ports, protocol, vip(family, 1), port)
    assert (answer.server, answer.local_port) == ("b3", port)


def test_two_services_share_a_backend(ports, family, protocol):
    for number in 0, 2:
        answer = meet(ports, protocol, vip(family, number), 80)
        assert (answer.server, answer.local_port) == ("b1", 8080)


def test_same_client_port_to_both_services_is_not_mixed_up(
        ports, family, protocol):
    """The backend could not tell the two apart: the second one is refused,
    and the first goes on undisturbed."""
    source_port = 15200 + family
    options = {"source": ports.client.address(family), "source_port": source_port}
    if protocol == "udp":
        assert meet(ports, "udp", vip(family), 80, **options).port == source_port
        with pytest.raises(ConnectionRefusedError):
            meet(ports, "udp", vip(family, 2), 80, **options)
        assert meet(ports, "udp", vip(family), 80, **options).port == source_port
        return
    with connect(ports.client, vip(family), 80, **options) as first:
        with pytest.raises(ConnectionRefusedError):
            connect(ports.client, vip(family, 2), 80, **options)
        assert first.echo()
        ports.daemon.wait_reason("reply_taken")
