"""A Kafka of one test module, which its tests may kill and stop."""

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from livetrap.stack.child import bind_to_parent
from livetrap.stack.kafka_broker import KafkaBroker
from livetrap.stack.kafka_jars import fetch_jars
from livetrap.stack.ports import choose_port

__all__ = ["OwnBroker", "own_broker"]


class OwnBroker:
    """A Kafka that runs from the start on."""

    def __init__(self, folder: Path) -> None:
        taken: set[int] = set()
        ports = [choose_port(None, taken=taken) for _ in range(2)]
        self._jars = fetch_jars(show_progress=False)
        self._kafka = KafkaBroker(folder / "kafka", port=ports[0], controller_port=ports[1])
        self._kafka.prepare(self._jars)
        self._log = folder / "kafka.log"
        self.start()

    @property
    def bootstrap(self) -> str:
        return self._kafka.bootstrap_servers

    def start(self) -> None:
        command = bind_to_parent(self._kafka.command(self._jars), death_signal=signal.SIGKILL)
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        self._kafka.wait_until_ready(assert_alive=lambda: None, timeout_s=300)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def own_broker() -> Iterator[OwnBroker]:
    """Give a broker in a folder of its own; kill it afterwards."""
    with tempfile.TemporaryDirectory(
        prefix="livetrap-test-", ignore_cleanup_errors=True
    ) as folder:
        broker = OwnBroker(Path(folder))
        try:
            yield broker
        finally:
            broker.kill()
