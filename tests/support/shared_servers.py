"""One Kafka and one PostgreSQL for all workers of a parallel run (``pytest -n 2``)."""

import contextlib
import shutil
import tempfile
import threading
from contextlib import ExitStack
from multiprocessing.connection import Client, Listener
from pathlib import Path

from tests.support.stack import BackingServers, backing_servers

__all__ = ["SharedServers", "ask_for_servers"]

_ADDRESS, _STOP = "address", "stop"


class SharedServers:
    """The servers, started by the controlling process when a worker asks for the first time.

    One thread answers one worker after the other, and owns the servers from start to stop:
    the kernel stops them with the thread that started them.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="livetrap-test-"))
        self.address = str(self._folder / "servers")
        self._listener = Listener(self.address, "AF_UNIX")
        self._thread = threading.Thread(target=self._answer_all, name="shared servers")
        self._thread.start()

    def close(self) -> None:
        """Stop the servers, if they were started."""
        with Client(self.address, "AF_UNIX") as connection:
            connection.send(_STOP)
        self._thread.join()
        self._listener.close()
        shutil.rmtree(self._folder)

    def _answer_all(self) -> None:
        with ExitStack() as stack:
            servers: BackingServers | None = None
            while True:
                # A worker that was interrupted hangs up in the middle.
                with contextlib.suppress(EOFError, OSError), self._listener.accept() as worker:
                    if worker.recv() == _STOP:
                        return
                    try:
                        servers = servers or stack.enter_context(backing_servers())
                    except Exception as error:  # noqa: BLE001  (the worker raises it)
                        worker.send(RuntimeError(f"the servers of the tests: {error!r}"))
                    else:
                        worker.send(servers)


def ask_for_servers(address: str) -> BackingServers:
    """Return where the servers are; called by a worker, waits until they run."""
    with Client(address, "AF_UNIX") as connection:
        connection.send(_ADDRESS)
        answer = connection.recv()
    if isinstance(answer, Exception):
        raise answer
    assert isinstance(answer, BackingServers)
    return answer
