"""Every service ends soon after SIGTERM, also while its servers hang."""

import select
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from livetrap.stack.ports import choose_port
from runtime.settings import KafkaSettings
from tests.support.own_broker import own_broker
from tests.support.vtp_proxy import TcpProxy, proxy_to
from tests.support.vtp_service import AlertSite, ServiceProcess, alert_site, wait_until

SERVICES = ("ingest", "extract", "associate", "alert", "distribute", "archive", "api")


def through(proxy: TcpProxy, postgres_url: str) -> str:
    parts = urlsplit(postgres_url)
    user, _ = parts.netloc.rsplit("@", 1)
    return parts._replace(netloc=f"{user}@127.0.0.1:{proxy.port}").geturl()


@dataclass
class Probed:
    """A service, and what its probes said."""

    process: ServiceProcess
    port: int
    answers: dict[str, int] = field(default_factory=dict)

    def wait_until_ready(self) -> None:
        wait_until(lambda: self.process.has_logged("service_started"), what="the start")
        wait_until(lambda: self.ask("/readyz") == 200, what="it to be ready")

    def wait_until_unready(self) -> None:
        """Wait for the probe to notice, as an answer holds for two seconds; keep what it says."""
        wait_until(lambda: self.ask("/readyz") == 503, what="it to be unready", timeout_s=240)
        self.answers = {path: self.ask(path) for path in ("/readyz", "/healthz")}

    def ask(self, path: str) -> int:
        """Return the status of a probe; 0 if nothing listens yet."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}{path}", timeout=60
            ) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0


def start_all(site: AlertSite, inbox: Path) -> dict[str, Probed]:
    taken = {site.vtp_port}
    services = {}
    for service in SERVICES:
        port = choose_port(None, taken=taken)
        taken.add(port)
        kind = "API" if service == "api" else "METRICS"
        own = {
            "LIVETRAP_INGEST__INBOX": str(inbox),
            "LIVETRAP_ARCHIVE__URL": str(inbox / "archive"),
            f"LIVETRAP_{kind}__PORT": str(port),
        }
        services[service] = Probed(site.start(service, fork=False, **own), port)
    return services


@pytest.fixture(scope="module")
def stopping(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Probed]]:
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
        with ThreadPoolExecutor() as together:  # a probe waits for its servers for some seconds
            list(together.map(Probed.wait_until_ready, services.values()))
            broker.signal(signal.SIGSTOP)
            proxy.freeze()
            list(together.map(Probed.wait_until_unready, services.values()))
        for service in services.values():
            service.process.process.send_signal(signal.SIGTERM)
        yield services


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_ends_while_its_servers_hang(stopping: dict[str, Probed], name: str) -> None:
    service = stopping[name].process
    assert service.process.wait(30) == 0, service.log.read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_alive_and_not_ready_while_its_servers_hang(
    stopping: dict[str, Probed], name: str
) -> None:
    assert stopping[name].answers == {"/readyz": 503, "/healthz": 200}


@pytest.mark.parametrize("name", ["extract", "alert"])
def test_a_service_ends_while_its_servers_hang_at_its_start(name: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections wait to be accepted
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        site = AlertSite(
            KafkaSettings(bootstrap_servers=address), f"postgresql://a@{address}/a",
            choose_port(None, taken=set()), tmp_path,
        )  # fmt: skip
        service = site.start(name, fork=False)
        try:
            # With a new version of its kernels it compiles them first.
            assert select.select([silent], [], [], 300)[0], service.log.read_text()
            assert service.terminate() == 0, service.log.read_text()
        finally:
            service.kill()
