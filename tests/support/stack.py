"""A real Kafka and a real PostgreSQL for the tests: nothing else is started."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from livetrap.database.migrations import migrate
from livetrap.stack.child import bind_to_parent
from livetrap.stack.errors import StackError
from livetrap.stack.kafka_broker import KafkaBroker
from livetrap.stack.kafka_jars import fetch_jars
from livetrap.stack.ports import choose_port
from livetrap.stack.postgres_server import open_server, remove_cluster
from tests.support.databases import freeze_template

__all__ = ["BackingServers", "backing_servers"]

_STOP_TIMEOUT_S = 20.0
# Nothing here outlives a power cut; commits need not wait for the disk.
_NOT_DURABLE = ("-c", "fsync=off", "-c", "full_page_writes=off")


@dataclass(frozen=True, slots=True)
class BackingServers:
    """Where the servers of a test run are.

    Parameters
    ----------
    bootstrap_servers : str
        Kafka, ``127.0.0.1:PORT``; no topics yet.
    postgres_url : str
        The migrated database that others are cloned from; it takes no connections.
    """

    bootstrap_servers: str
    postgres_url: str


@contextmanager
def backing_servers() -> Iterator[BackingServers]:
    """Start Kafka and PostgreSQL on free ports in a temporary folder; stop and delete after."""
    with ExitStack() as stack:
        data_dir = Path(tempfile.mkdtemp(prefix="livetrap-test-"))
        stack.callback(shutil.rmtree, data_dir, ignore_errors=True)
        taken: set[int] = set()
        ports = [choose_port(None, taken=taken) for _ in range(3)]
        jars = fetch_jars(show_progress=False)
        kafka = KafkaBroker(data_dir / "kafka", port=ports[0], controller_port=ports[1])
        kafka.prepare(jars)
        postgres = open_server(data_dir, port=ports[2])
        stack.callback(remove_cluster, data_dir)
        postgres.prepare()
        kafka_alive = stack.enter_context(
            _running(
                bind_to_parent(kafka.command(jars), death_signal=signal.SIGKILL),
                log=data_dir / "kafka.log",
                stop_signal=signal.SIGKILL,  # its data are thrown away
            )
        )
        postgres_alive = stack.enter_context(
            _running(
                bind_to_parent(
                    [*postgres.command(), *_NOT_DURABLE],
                    death_signal=signal.SIGINT,
                    user=postgres.account,
                ),
                log=data_dir / "postgres.log",
                stop_signal=signal.SIGINT,
            )
        )
        postgres.wait_until_ready(assert_alive=postgres_alive)
        migrate(postgres.url)
        freeze_template(postgres.url)
        kafka.wait_until_ready(assert_alive=kafka_alive)
        yield BackingServers(kafka.bootstrap_servers, postgres.url)


@contextmanager
def _running(
    command: list[str], *, log: Path, stop_signal: signal.Signals
) -> Iterator[Callable[[], None]]:
    """Run a server; give a check that raises when it died."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )

        def assert_alive() -> None:
            if process.poll() is not None:
                raise StackError(f"{command[-1]} died: {log.read_text(errors='replace')[-2000:]}")

        try:
            yield assert_alive
        finally:
            process.send_signal(stop_signal)
            try:
                process.wait(timeout=_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
