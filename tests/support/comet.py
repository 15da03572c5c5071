"""The real Comet, the broker that observatories run, as a subscriber of ours."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

__all__ = ["CometSubscriber", "comet_subscriber"]

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class CometSubscriber:
    """A running Comet and the folder where it saves what it received and found valid."""

    folder: Path
    log: Path

    def packets(self) -> list[bytes]:
        """Return every packet it saved."""
        return [path.read_bytes() for path in sorted(self.folder.glob("*")) if path.is_file()]

    def ivorns(self) -> list[str]:
        """Return the ivorn of every packet it saved; one still being written is left out."""
        found = []
        for data in self.packets():
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


def _wait_until_connected(process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        text = log.read_text(errors="replace")
        # It answers the first thing the server says; filters are set with that answer.
        if "Authenticate received from" in text:
            return
        if process.poll() is not None:
            raise AssertionError(f"Comet ended with {process.returncode}: {text[-2000:]}")
        time.sleep(0.05)
    raise AssertionError(f"Comet did not connect: {text[-2000:]}")
