"""The real Comet, which observatories run: as a subscriber of ours, as a broker, as an author."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from livetrap.stack.ports import choose_port

__all__ = ["CometBroker", "CometSubscriber", "comet_broker", "comet_subscriber", "send_by_comet"]

_START_TIMEOUT_S = 180.0
_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class CometSubscriber:
    """A running Comet and the folder where it saves what it received and found valid."""

    folder: Path
    log: Path

    def packets(self) -> list[bytes]:
        """Return every packet it saved."""
        return _read_packets(self.folder)

    def ivorns(self) -> list[str]:
        """Return the ivorn of every packet it saved; one still being written is left out."""
        return _read_ivorns(self.folder)


class CometBroker:
    """Comet as a broker: authors give it events, it gives them to its subscribers.

    Parameters
    ----------
    tmp_path : Path
        Where it may write.
    """

    def __init__(self, tmp_path: Path) -> None:
        self.submit_port = choose_port(None, taken=set())
        self.subscribe_port = choose_port(None, taken={self.submit_port})
        self.log = tmp_path / "comet-broker.log"
        self.folder = tmp_path / "comet-broker-events"
        database = tmp_path / "comet-broker-db"
        for folder in (self.folder, database):
            folder.mkdir(parents=True, exist_ok=True)
        self._command = [
            sys.executable, "-m", "twisted", "comet", "--verbose",
            "--local-ivo", "ivo://org.livetrap.test/comet-broker", "--eventdb", str(database),
            "--receive", "--receive-port", str(self.submit_port),
            "--broadcast", "--broadcast-port", str(self.subscribe_port),
            "--broadcast-test-interval", "0",
            "--author-whitelist", "127.0.0.0/8", "--subscriber-whitelist", "127.0.0.0/8",
            "--save-event", "--save-event-directory", str(self.folder),
        ]  # fmt: skip
        self._cwd = tmp_path

    def start(self) -> None:
        """Start it; return when both ports are open."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        for port in (self.submit_port, self.subscribe_port):
            _wait_until_open(self._process, self.log, port)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait()

    def packets(self) -> list[bytes]:
        """Return every packet that an author gave it and that it found valid."""
        return _read_packets(self.folder)

    def ivorns(self) -> list[str]:
        """Return the ivorns of `packets`."""
        return _read_ivorns(self.folder)


@contextmanager
def comet_broker(tmp_path: Path) -> Iterator[CometBroker]:
    """Run Comet as a broker; give it when its ports are open."""
    broker = CometBroker(tmp_path)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def send_by_comet(port: int, path: Path) -> tuple[bool, str]:
    """Submit a file with Comet's own program; return whether it was acknowledged, and the log."""
    program = shutil.which("comet-sendvo", path=str(Path(sys.executable).parent))
    assert program is not None
    done = subprocess.run(
        [sys.executable, program, "--host", "127.0.0.1", "--port", str(port), "--file", str(path)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=_START_TIMEOUT_S, check=False, text=True,
    )  # fmt: skip
    return done.returncode == 0, done.stdout


def _read_packets(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file()]


def _read_ivorns(folder: Path) -> list[str]:
    found = []
    for data in _read_packets(folder):
        try:
            found.append(str(etree.fromstring(data).get("ivorn")))
        except etree.XMLSyntaxError:
            continue
    return found


@contextmanager
def comet_subscriber(
    port: int, tmp_path: Path, *, xpath_filter: str | None = None
) -> Iterator[CometSubscriber]:
    """Run Comet against the VTP server on `port`; give it once it is connected.

    Parameters
    ----------
    port : int
        Of the server, on this machine.
    tmp_path : Path
        Where Comet may write.
    xpath_filter : str, optional
        What it asks the server to filter by.
    """
    subscriber = CometSubscriber(tmp_path / "comet-events", tmp_path / "comet.log")
    database = tmp_path / "comet-db"
    for folder in (subscriber.folder, database):
        folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "twisted", "comet", "--verbose",
        "--remote", f"127.0.0.1:{port}",
        "--local-ivo", "ivo://org.livetrap.test/comet",
        "--eventdb", str(database),
        "--save-event", "--save-event-directory", str(subscriber.folder),
    ]  # fmt: skip
    if xpath_filter is not None:
        command += ["--filter", xpath_filter]
    with subscriber.log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        _wait_until_connected(process, subscriber.log)
        yield subscriber
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_open(process: "subprocess.Popen[bytes]", log: Path, port: int) -> None:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if process.poll() is not None:
                raise AssertionError(f"Comet ended: {log.read_text()[-2000:]}") from None
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"Comet did not listen: {log.read_text()[-2000:]}")


def _wait_until_connected(process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        text = log.read_text(errors="replace")
        # Its answer to the first message of the server sets the filters.
        if "Authenticate received from" in text:
            return
        if process.poll() is not None:
            raise AssertionError(f"Comet ended with {process.returncode}: {text[-2000:]}")
        time.sleep(0.05)
    raise AssertionError(f"Comet did not connect: {text[-2000:]}")
