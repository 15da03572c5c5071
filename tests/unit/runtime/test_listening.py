"""Servers listen on IPv4 and IPv6 addresses, and name one that they cannot have."""

import socket
import urllib.request

import pytest

from livetrap.stack.ports import choose_port
from runtime.errors import SettingsError
from runtime.health import Health
from runtime.kafka.connection import common_config
from runtime.listening import create_listener, format_address
from runtime.metrics import serve_metrics
from runtime.settings import KafkaSettings, MetricsSettings


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no loopback of IPv6")


@pytest.mark.parametrize(
    ("host", "clients"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("0.0.0.0", ["127.0.0.1"]),  # noqa: S104  (that is what is tested)
        ("localhost", ["127.0.0.1"]),
        pytest.param("::1", ["::1"], marks=needs_ipv6),
        pytest.param("::", ["::1", "127.0.0.1"], marks=needs_ipv6),
    ],
)
def test_clients_reach_a_listener(host: str, clients: list[str]) -> None:
    with create_listener(host, 0, settings="X__HOST, X__PORT") as listener:
        port = listener.getsockname()[1]
        for client in clients:
            with socket.create_connection((client, port), timeout=60):
                listener.accept()[0].close()


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
def test_an_address_in_use_is_named_with_its_settings(host: str) -> None:
    with create_listener(host, 0, settings="X__HOST, X__PORT") as listener:
        port = listener.getsockname()[1]
        with pytest.raises(SettingsError) as refused:
            create_listener(host, port, settings="X__HOST, X__PORT")
    assert f"cannot listen on {format_address(host, port)}: " in str(refused.value)
    assert str(refused.value).endswith("free it or change X__HOST, X__PORT")


def test_a_host_of_another_machine_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"cannot listen on 192\.0\.2\.1:8080"):
        create_listener("192.0.2.1", 8080, settings="X__HOST, X__PORT")


def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert format_address("::1", 8080) == "[::1]:8080"
    assert format_address("localhost", 8080) == "localhost:8080"


class Turning:
    idle_s = 0.0


def healthy() -> Health:
    return Health(Turning(), stall_s=1.0)


@needs_ipv6
@pytest.mark.parametrize("host", ["::1", "::"])
def test_metrics_are_served_on_ipv6(host: str) -> None:
    port = choose_port(None, taken=set())
    serve_metrics(MetricsSettings(host=host, port=port), healthy())
    with urllib.request.urlopen(f"http://[::1]:{port}/metrics", timeout=60) as answer:
        assert b"python_info" in answer.read()


def test_a_busy_port_of_metrics_is_named_with_its_settings() -> None:
    with create_listener("127.0.0.1", 0, settings="") as listener:
        port = listener.getsockname()[1]
        with pytest.raises(
            SettingsError, match=rf"listen on 127\.0\.0\.1:{port}: .*LIVETRAP_METRICS__HOST"
        ):
            serve_metrics(MetricsSettings(port=port), healthy())


@pytest.mark.parametrize("family", ["any", "v4", "v6"])
def test_librdkafka_connects_by_the_chosen_family(family: str) -> None:
    settings = KafkaSettings.model_validate({"address_family": family})
    assert common_config(settings)["broker.address.family"] == family


def test_librdkafka_connects_by_any_family_by_default() -> None:
    assert common_config(KafkaSettings())["broker.address.family"] == "any"
