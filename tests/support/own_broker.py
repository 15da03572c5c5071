"""A Kafka of one test module, which its tests may kill and stop."""

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from livetrap.stack.child import bind_to_parent
from livetrap.stack.kafka_broker import KafkaBroker
from livetrap.stack.kafka_jars import fetch_jars
from livetrap.stack.ports import choose_port

__all__ = ["OwnBroker", "own_broker"]


@dataclass(frozen=True, slots=True)
class _KafkaOfTwoNetworks(KafkaBroker):
    """The broker of `livetrap up` that listens at another address as well."""

    address: str
    other_port: int  # Kafka takes no port twice

    def properties_text(self) -> str:
        # Java's properties: the last of two lines with one name holds.
        listeners = f"PLAINTEXT://127.0.0.1:{self.port},OTHER://{self.address}:{self.other_port}"
        return f"""\
{KafkaBroker.properties_text(self)}
listeners={listeners},CONTROLLER://127.0.0.1:{self.controller_port}
advertised.listeners={listeners}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
"""


class OwnBroker:
    """A Kafka that runs from the start on.

    Parameters
    ----------
    folder : Path
        Holds its data.
    address : str, optional
        Where it listens beside loopback.
    """

    def __init__(self, folder: Path, *, address: str | None = None) -> None:
        taken: set[int] = set()
        port, controller_port, other_port = (choose_port(None, taken=taken) for _ in range(3))
        self._jars = fetch_jars(show_progress=False)
        place = folder / "kafka"
        self._kafka = (
            KafkaBroker(place, port=port, controller_port=controller_port)
            if address is None
            else _KafkaOfTwoNetworks(
                place,
                port=port,
                controller_port=controller_port,
                address=address,
                other_port=other_port,
            )
        )
        self._kafka.prepare(self._jars)
        self.other_bootstrap = f"{address}:{other_port}"
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
def own_broker(*, address: str | None = None) -> Iterator[OwnBroker]:
    """Give a broker in a folder of its own; kill it afterwards."""
    with tempfile.TemporaryDirectory(
        prefix="livetrap-test-", ignore_cleanup_errors=True
    ) as folder:
        broker = OwnBroker(Path(folder), address=address)
        try:
            yield broker
        finally:
            broker.kill()
