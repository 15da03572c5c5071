"""Every service ends soon after SIGTERM, also while its servers hang."""

import select
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from livetrap.stack.ports import choose_port
from runtime.settings import KafkaSettings
from tests.support.own_broker import own_broker
from tests.support.vtp_proxy import TcpProxy, proxy_to
from tests.support.vtp_service import AlertSite, ServiceProcess, alert_site, wait_until

SERVICES = ("ingest", "extract", "associate", "alert", "distribute", "api")


def through(proxy: TcpProxy, postgres_url: str) -> str:
    parts = urlsplit(postgres_url)
    user, _ = parts.netloc.rsplit("@", 1)
    return parts._replace(netloc=f"{user}@127.0.0.1:{proxy.port}").geturl()


def start_all(site: AlertSite, inbox: Path) -> dict[str, ServiceProcess]:
    port = choose_port(None, taken={site.vtp_port})
    own = {"LIVETRAP_INGEST__INBOX": str(inbox), "LIVETRAP_API__PORT": str(port)}
    return {service: site.start(service, **own) for service in SERVICES}


@pytest.fixture(scope="module")
def stopping(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, ServiceProcess]]:
    """All services, which had begun to work when their broker and database stopped to answer."""
    folder = tmp_path_factory.mktemp("stopping")
    where = urlsplit(postgres_url)
    assert where.hostname
    assert where.port
    with (
        own_broker() as broker,
        proxy_to(where.hostname, where.port) as proxy,
        alert_site(broker.bootstrap, postgres_url, folder) as made,
    ):
        site = replace(made, postgres_url=through(proxy, made.postgres_url))
        services = start_all(site, tmp_path_factory.mktemp("inbox"))
        for name, service in services.items():
            wait_until(
                lambda service=service: service.has_logged("service_started"),
                what=f"start of {name}",
            )
        broker.signal(signal.SIGSTOP)
        proxy.freeze()
        for service in services.values():
            service.process.send_signal(signal.SIGTERM)
        yield services


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_ends_while_its_servers_hang(
    stopping: dict[str, ServiceProcess], name: str
) -> None:
    assert stopping[name].process.wait(30) == 0, stopping[name].log.read_text()


@pytest.mark.parametrize("name", ["extract", "alert"])
def test_a_service_ends_while_its_servers_hang_at_its_start(name: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections wait to be accepted
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        site = AlertSite(
            KafkaSettings(bootstrap_servers=address), f"postgresql://a@{address}/a",
            choose_port(None, taken=set()), tmp_path,
        )  # fmt: skip
        service = site.start(name)
        assert select.select([silent], [], [], 60)[0], service.log.read_text()
        assert service.terminate() == 0, service.log.read_text()
