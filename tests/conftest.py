"""Fixtures every test may use: Kafka and PostgreSQL, each started when first asked for."""

import gc
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

# Images of containers often forbid bytecode. Then every process of a test run, and there are
# hundreds, would compile everything again: twice the CPU time of the unit tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import pytest  # noqa: E402  (what is imported from here on is cached)

from tests.support import run_addresses  # noqa: E402
from tests.support.default_ports import default_ports_taken  # noqa: E402
from tests.support.examples import register_profiles  # noqa: E402
from tests.support.file_order import in_order  # noqa: E402

if TYPE_CHECKING:  # unit tests do without the time that these imports take
    import asyncpg
    import execnet
    import httpx

    from tests.support.api_rows import Rows
    from tests.support.forked_workers import ForkedWorkers
    from tests.support.golden import Golden
    from tests.support.night import RunServers
    from tests.support.shared_servers import SharedServers

register_profiles()

_CLUSTER = Path(__file__).parent / "cluster"
SHARED_SERVERS: pytest.StashKey["SharedServers"] = pytest.StashKey()
WORKERS: pytest.StashKey["ForkedWorkers"] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch that accepts changed messages."""
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/data/golden anew; see the diff"
    )


def pytest_configure(config: pytest.Config) -> None:
    """End as with Ctrl-C when asked to stop: servers and folders go, too."""
    if worker := getattr(config, "workerinput", None):
        os.environ[run_addresses.SERVERS] = worker["servers"]
    if has_tests_run(config):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        ports = ExitStack()
        ports.enter_context(default_ports_taken())
        config.add_cleanup(ports.close)


def has_tests_run(config: pytest.Config) -> bool:
    """Return whether this process runs tests, or has workers that do."""
    return not hasattr(config, "workerinput") and not config.option.collectonly


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no tests that need a cluster in a run that leaves them out."""
    if collection_path != _CLUSTER or any("cluster" in each for each in config.args):
        return None
    return True if "not cluster" in config.option.markexpr else None


def pytest_collection() -> None:
    """Collect no garbage while modules are imported: all that they make stays."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Collect the garbage of tests from here on, without what was imported."""
    gc.enable()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the files of a parallel run; its workers take whole ones."""
    if hasattr(config, "workerinput"):
        place = {path: at for at, path in enumerate(in_order(list({each.path for each in items})))}
        items.sort(key=lambda item: place[item.path])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: "list[execnet.XSpec]") -> None:
    """Fork the workers of pytest-xdist instead of starting them, where that is possible."""
    from tests.support.forked_workers import ForkedWorkers, can_fork_workers

    if can_fork_workers(config, specs):
        config.stash[WORKERS] = ForkedWorkers(config.invocation_params.args, specs)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Pass the address of the servers' owner to a worker of pytest-xdist."""
    from tests.support.shared_servers import SharedServers

    stash = node.config.stash  # type: ignore[attr-defined]
    if SHARED_SERVERS not in stash:
        stash[SHARED_SERVERS] = SharedServers()
    node.workerinput["servers"] = stash[SHARED_SERVERS].address  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers of a parallel run; remove what killed runs have left."""
    if WORKERS in config.stash:
        config.stash[WORKERS].close()
    if SHARED_SERVERS in config.stash:
        config.stash[SHARED_SERVERS].close()
    if not has_tests_run(config):
        return
    if os.geteuid() == 0:
        from livetrap.stack.leftovers import remove_leftovers

        remove_leftovers(Path(tempfile.gettempdir()))
    from tests.support.browser_profiles import remove_profiles

    remove_profiles(Path(tempfile.gettempdir()))


@pytest.fixture(scope="session", autouse=True)
def plain_tracebacks() -> None:
    """Log exceptions as Python prints them; to draw each with its variables takes a second."""
    if "structlog" in sys.modules:
        from structlog import configure, get_config
        from structlog.dev import ConsoleRenderer, plain_traceback

        *others, _ = get_config()["processors"]
        configure(processors=[*others, ConsoleRenderer(exception_formatter=plain_traceback)])


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """Address of the test run's Kafka; topics are the test's own business."""
    from tests.support.shared_servers import server_of_run

    with server_of_run("kafka") as address:
        yield address


@pytest.fixture(scope="session")
def postgres_server_url() -> Iterator[str]:
    """Address of the database that others are cloned from; it takes no connections."""
    from tests.support.shared_servers import server_of_run

    with server_of_run("postgres") as url:
        yield url


@pytest.fixture(scope="session")
def servers(kafka_bootstrap: str, postgres_server_url: str) -> "RunServers":
    """Kafka and PostgreSQL of the run, on which a test may start the services."""
    from tests.support.night import RunServers

    return RunServers(kafka_bootstrap, postgres_server_url)


@pytest.fixture(scope="module")
def postgres_url(postgres_server_url: str) -> Iterator[str]:
    """Address of a migrated database that only this module uses."""
    from tests.support.databases import clone_database

    with clone_database(postgres_server_url) as url:
        yield url


@pytest.fixture
async def pool(postgres_url: str) -> "AsyncIterator[asyncpg.Pool]":
    """Connections to the database of this module."""
    import asyncpg

    async with asyncpg.create_pool(postgres_url, min_size=1, max_size=3) as made:
        yield made


@pytest.fixture
async def rows(postgres_url: str) -> "AsyncIterator[Rows]":
    """A writer of the rows of a stream of its own."""
    from tests.support.api_rows import rows_of

    async with rows_of(postgres_url) as made:
        yield made


@pytest.fixture
async def client(postgres_url: str) -> "AsyncIterator[httpx.AsyncClient]":
    """The API over the database of this module, asked by somebody who may write."""
    from tests.support.api_service import client_of
    from tests.support.subscription_requests import AUTHORIZED, TOKEN

    async with client_of(postgres_url, write_token=TOKEN) as made:
        made.headers.update(AUTHORIZED)
        yield made


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> "Golden":
    """Golden files under tests/data/golden."""
    from tests.support.golden import Golden

    return Golden(update=request.config.getoption("update_golden"))
