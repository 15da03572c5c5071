"""A Kafka that tests may kill, stop and start again."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from livetrap.stack.child import bind_to_parent
from livetrap.stack.kafka_broker import KafkaBroker
from livetrap.stack.kafka_jars import fetch_jars
from livetrap.stack.ports import choose_port
from tests.support.kafka_storage import give_storage
from tests.support.server_process import START_TIMEOUT_S, ServerProcess, server_folder

__all__ = ["OwnBroker", "own_broker"]


class OwnBroker:
    """A broker that runs from the start on; its data are thrown away.

    Parameters
    ----------
    kafka : KafkaBroker
        Its ports and settings.
    folder : Path
        Holds its log.
    other_bootstrap : str
        Its ``HOST:PORT`` in the network beside loopback, if it listens there.
    """

    def __init__(self, kafka: KafkaBroker, folder: Path, *, other_bootstrap: str = "") -> None:
        self.other_bootstrap = other_bootstrap
        jars = fetch_jars(show_progress=False)
        give_storage(kafka.folder, jars)
        kafka.prepare(jars)
        self._kafka = kafka
        self._process = ServerProcess(
            bind_to_parent(kafka.command(jars), death_signal=signal.SIGKILL),
            log=folder / "kafka.log",
        )
        self.start()

    @property
    def bootstrap(self) -> str:
        return self._kafka.bootstrap_servers

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        self._process.start()
        self._kafka.wait_until_ready(
            assert_alive=self._process.assert_alive, timeout_s=START_TIMEOUT_S
        )

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()


@dataclass(frozen=True, slots=True)
class _KafkaOfTwoNetworks(KafkaBroker):
    """The broker of `livetrap up` that listens at another address as well."""

    other_bootstrap: str  # with another port: Kafka takes none twice

    def properties_text(self) -> str:
        # Java's properties: the last of two lines with one name holds.
        listeners = f"PLAINTEXT://127.0.0.1:{self.port},OTHER://{self.other_bootstrap}"
        return f"""\
{KafkaBroker.properties_text(self)}
listeners={listeners},CONTROLLER://127.0.0.1:{self.controller_port}
advertised.listeners={listeners}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
"""


@contextmanager
def own_broker(
    *,
    address: str | None = None,
    ports: tuple[int, int] | None = None,
    kind: type[KafkaBroker] = KafkaBroker,
) -> Iterator[OwnBroker]:
    """Give a broker in a folder of its own; kill it afterwards.

    Parameters
    ----------
    address : str, optional
        Where it listens beside loopback.
    ports : tuple of int, optional
        Of its clients and of its controller; free ones if not given.
    kind : type
        Its settings, where it listens at no other address.
    """
    taken = set(ports or ())
    port, controller_port = ports or [choose_port(None, taken=taken) for _ in range(2)]
    with server_folder() as folder:
        place = folder / "kafka"
        if address is None:
            broker = OwnBroker(kind(place, port, controller_port), folder)
        else:
            other = f"{address}:{choose_port(None, taken=taken)}"
            broker = OwnBroker(
                _KafkaOfTwoNetworks(place, port, controller_port, other),
                folder,
                other_bootstrap=other,
            )
        try:
            yield broker
        finally:
            broker.kill()
