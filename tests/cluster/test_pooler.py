"""A PgBouncer in transaction mode before the database is named by all who cannot work with it."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from livetrap.stack.ports import choose_port
from tests.cluster.programs import need
from tests.support.vtp_service import AlertSite, alert_site, wait_until

REASON = "POSTGRES__URL goes through a pooler in transaction mode; use the database itself"
# What connections say of their session at the start; a pooler refuses it unless told otherwise.
IGNORED = ("jit", "default_transaction_read_only", "statement_timeout", "plan_cache_mode")


@contextmanager
def pooler_before(site: AlertSite, mode: str) -> Iterator[AlertSite]:
    """Give the same site by way of a PgBouncer."""
    program = need("pgbouncer")
    port = choose_port(None, taken={site.vtp_port})
    settings = site.folder / f"{mode}.ini"
    settings.write_text(settings_of(site.postgres_url, port, mode))
    # It refuses to be root.
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with (site.folder / f"{mode}.log").open("wb") as log:
        process = subprocess.Popen([program, *user, str(settings)], stdout=log, stderr=log)
    try:
        wait_until(lambda: has_port(port), what="the pooler")
        netloc = f"anybody@127.0.0.1:{port}"
        url = urlsplit(site.postgres_url)._replace(netloc=netloc).geturl()
        yield replace(site, postgres_url=url)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def direct(
    kafka_bootstrap: str, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path_factory.mktemp("pooler")) as site:
        yield site


@pytest.fixture(scope="module")
def site(direct: AlertSite) -> Iterator[AlertSite]:
    """A site whose address of the database is that of a pooler in transaction mode."""
    with pooler_before(direct, "transaction") as site:
        yield site


def has_port(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def settings_of(postgres_url: str, port: int, mode: str) -> str:
    server = urlsplit(postgres_url)
    return f"""\
[databases]
* = host={server.hostname} port={server.port} user={server.username} password={server.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = 16
# Without these it refuses what everybody says at the start.
ignore_startup_parameters = extra_float_digits,{",".join(IGNORED)}
"""


@pytest.mark.parametrize("name", ["associate", "alert", "distribute"])
def test_a_service_names_the_pooler_and_ends(site: AlertSite, name: str) -> None:
    service = site.start(name, fork=False)
    assert service.process.wait(60) == 2, service.log.read_text()
    log = service.log.read_text()
    assert REASON in log
    assert "Traceback" not in log


def test_the_api_names_the_pooler_and_is_never_ready(site: AlertSite) -> None:
    """It waits for whatever is wrong with its database, and says so where it answers."""
    port = choose_port(None, taken={site.vtp_port})
    service = site.start("api", fork=False, LIVETRAP_API__PORT=str(port))
    wait_until(lambda: REASON in service.log.read_text(), what="the reason")
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=60)
    assert "Traceback" not in service.log.read_text()


def migrate(site: AlertSite) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"LIVETRAP_POSTGRES__URL": site.postgres_url}
    return subprocess.run(
        [sys.executable, "-m", "livetrap", "migrate"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip


def test_migrate_names_the_pooler_and_ends(site: AlertSite) -> None:
    done = migrate(site)
    assert done.returncode == 2, done.stderr
    assert REASON in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pooler_in_session_mode_will_do(direct: AlertSite) -> None:
    with pooler_before(direct, "session") as site:
        done = migrate(site)
        assert done.returncode == 0, done.stderr
        service = site.start_and_wait("associate", fork=False)
        assert service.terminate() == 0
