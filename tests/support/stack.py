"""A real Kafka and a real PostgreSQL for the tests: nothing else is started."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from livetrap.database.migrations import migrate
from livetrap.stack.child import bind_to_parent
from livetrap.stack.errors import StackError
from livetrap.stack.kafka_broker import KafkaBroker
from livetrap.stack.kafka_jars import fetch_jars
from livetrap.stack.ports import choose_port
from livetrap.stack.postgres_server import open_server, remove_cluster
from tests.support.databases import freeze_template

__all__ = ["kafka_server", "postgres_server"]

_START_TIMEOUT_S = 300.0
_STOP_TIMEOUT_S = 20.0
# Nothing here outlives a power cut; commits need not wait for the disk.
_NOT_DURABLE = ("-c", "fsync=off", "-c", "full_page_writes=off")
# Several stacks use it at the same time.
_FOR_ALL = ("-c", "max_connections=300")


@contextmanager
def kafka_server(port: int | None = None, controller_port: int | None = None) -> Iterator[str]:
    """Start Kafka on a free port; give its ``HOST:PORT``, stop it and delete its data after."""
    taken: set[int] = set()
    port = port or choose_port(None, taken=taken)
    controller_port = controller_port or choose_port(None, taken=taken)
    jars = fetch_jars(show_progress=False)
    with _folder() as folder:
        kafka = KafkaBroker(folder / "kafka", port=port, controller_port=controller_port)
        kafka.prepare(jars)
        with _running(
            bind_to_parent(kafka.command(jars), death_signal=signal.SIGKILL),
            log=folder / "kafka.log",
            stop_signal=signal.SIGKILL,  # its data are thrown away
        ) as assert_alive:
            kafka.wait_until_ready(assert_alive=assert_alive, timeout_s=_START_TIMEOUT_S)
            yield kafka.bootstrap_servers


@contextmanager
def postgres_server() -> Iterator[str]:
    """Start PostgreSQL on a free port; give the address of its migrated database.

    Others are cloned from that one, which takes no connections.
    """
    with _folder() as folder:
        postgres = open_server(folder, port=choose_port(None, taken=set()))
        try:
            postgres.prepare()
            with _running(
                bind_to_parent(
                    [*postgres.command(), *_NOT_DURABLE, *_FOR_ALL],
                    death_signal=signal.SIGINT,
                    user=postgres.account,
                ),
                log=folder / "postgres.log",
                stop_signal=signal.SIGINT,
            ) as assert_alive:
                postgres.wait_until_ready(assert_alive=assert_alive, timeout_s=_START_TIMEOUT_S)
                migrate(postgres.url)
                freeze_template(postgres.url)
                yield postgres.url
        finally:
            remove_cluster(folder)


@contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder; delete it after, whatever a dying server still writes there."""
    folder = Path(tempfile.mkdtemp(prefix="livetrap-test-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
