"""A server that tests start, signal and stop as they like, in a folder that goes with it."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from livetrap.stack.errors import StackError

__all__ = ["START_TIMEOUT_S", "ServerProcess", "server_folder"]

START_TIMEOUT_S = 300.0
_STOP_TIMEOUT_S = 60.0


class ServerProcess:
    """A process that may be started again when it has ended.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    log : Path
        What it prints is added to this file.
    """

    def __init__(self, command: Sequence[str], *, log: Path) -> None:
        self._command = list(command)
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def assert_alive(self) -> None:
        """Raise if it has ended.

        Raises
        ------
        StackError
            With the end of what it printed.
        """
        if self._process.poll() is not None:
            said = self._log.read_text(errors="replace")[-2000:]
            raise StackError(f"{self._command[-1]} died: {said}")

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def stop(self, number: signal.Signals) -> None:
        """Send a signal that ends it; kill it if it does not end."""
        self.send_signal(number)
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def server_folder() -> Iterator[Path]:
    """Make a folder; delete it after, whatever a dying server still writes there."""
    folder = Path(tempfile.mkdtemp(prefix="livetrap-test-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
