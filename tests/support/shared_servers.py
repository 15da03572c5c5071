"""One Kafka, PostgreSQL and browser for all workers of a parallel run (``pytest -n 2``)."""

import atexit
import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from multiprocessing.connection import Client, Listener
from pathlib import Path

from tests.support import run_addresses
from tests.support.browser_process import browser_server, is_browser_lost
from tests.support.stack import kafka_server, postgres_server

__all__ = ["SharedServers", "browser_of_run", "server_of_run"]

_BROWSER = "browser"
_STARTERS = {"kafka": kafka_server, "postgres": postgres_server, _BROWSER: browser_server}
_STOP = "stop"


class SharedServers:
    """The servers, each started by the controlling process when a worker first asks for it.

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
        """Stop what was started."""
        with Client(self.address, "AF_UNIX") as connection:
            connection.send(_STOP)
        self._thread.join()
        self._listener.close()
        shutil.rmtree(self._folder)

    def _answer_all(self) -> None:
        addresses: dict[str, str] = {}
        with ExitStack() as running:
            while True:
                # A worker that was interrupted hangs up in the middle.
                with contextlib.suppress(EOFError, OSError), self._listener.accept() as worker:
                    name = worker.recv()
                    if name == _STOP:
                        return
                    try:
                        if name not in addresses or (
                            name == _BROWSER and is_browser_lost(addresses[name])
                        ):
                            addresses[name] = running.enter_context(_STARTERS[name]())
                    except Exception as error:  # noqa: BLE001  (the worker raises it)
                        worker.send(RuntimeError(f"{name} of the tests: {error!r}"))
                    else:
                        worker.send(addresses[name])


@contextmanager
def server_of_run(name: str) -> Iterator[str]:
    """Give the address of ``kafka`` or ``postgres``.

    In a run without workers this process starts it, and stops it after.
    """
    controller = os.environ.get(run_addresses.SERVERS)
    if controller is None:
        with _STARTERS[name]() as address:
            yield address
    else:
        yield _ask(controller, name)


def browser_of_run() -> str:
    """Return the debugging address of the browser; a new one, where that was lost."""
    controller = os.environ.get(run_addresses.SERVERS)
    if controller is not None:
        return _ask(controller, _BROWSER)
    if is_browser_lost(_own_browser()):
        _own_browser.cache_clear()
    return _own_browser()


@lru_cache(maxsize=1)
def _own_browser() -> str:
    """Start a browser that goes with this process."""
    running = ExitStack()
    atexit.register(running.close)
    return running.enter_context(browser_server())


def _ask(controller: str, name: str) -> str:
    with Client(controller, "AF_UNIX") as connection:
        connection.send(name)
        answer = connection.recv()
    if isinstance(answer, Exception):
        raise answer
    return str(answer)
