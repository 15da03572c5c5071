"""Processes of services, forked from one that has imported their libraries: a second less a start.

What runs is the module of ``python -m``, with arguments, variables and output of its own. How
users start the services is tested by the stacks of ``tests/end_to_end``, and how they end by
``tests/integration/runtime/test_shutdown.py``: both start an interpreter for each.
"""

import atexit
import contextlib
import gc
import importlib
import os
import pickle
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from prometheus_client import REGISTRY, Counter, Gauge, Histogram

from tests.support import run_addresses
from tests.support.fork_server import ask, listen, serve, wait_until_asked

__all__ = [
    "STACK",
    "ForkedProcess",
    "ModuleProcess",
    "can_fork",
    "keep_metrics_of",
    "listen_for_services",
    "run_module",
    "serve_services",
    "start_module",
    "start_server",
    "stop_server",
]

# Libraries and what all services share. The kernels of extract take two seconds of CPU time.
_PRELOADED = (
    "aiohttp", "astropy.coordinates", "astropy.io.votable", "astropy.wcs", "astropy_healpix",
    "asyncpg", "confluent_kafka.admin", "fastapi", "fastavro", "faust.app",
    "faust.transport.drivers.aiokafka", "httpx", "lxml.etree", "numpy", "pydantic_settings",
    "runtime.process", "rules.wanted", "schemas.codec", "scipy.special",
    "services.extract.steps.catalogue", "services.extract.steps.forced", "structlog", "uvicorn",
)  # fmt: skip
# Each has a process that has imported its rooms, and is forked for it: no process has the metrics
# of another service.
_APPS = {
    "api": "api.app",
    **{
        name: f"services.{name}.app"
        for name in ("alert", "archive", "associate", "distribute", "extract", "ingest")
    },
}
_ANY = "any"
STACK = "stack"  # has the rooms of all services: a supervisor is forked for each stack
_PLACES = (_ANY, STACK, *_APPS)
_REPOSITORY = Path(__file__).parents[2]
_LONGEST_ANSWER_BYTES = 32
_END_TIMEOUT_S = 60.0
_LOST = 255  # who forked it has been killed, and took its exit code along


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A process: its module, and in what surroundings."""

    module: str
    arguments: Sequence[str]
    environment: dict[str, str]
    folder: str
    path: Sequence[str]
    output: Sequence[str]


class ForkedProcess:
    """What tests use of `subprocess.Popen`; a `service` is one whose rooms are imported."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        errors: Path | None = None,
        service: str = _ANY,
    ) -> None:
        files = [log, errors or log]
        for file in files:
            file.write_bytes(b"")  # it is there at once, as with a process that is started
        wanted = _Wanted(
            module, arguments, dict(environment), os.getcwd(), sys.path,  # noqa: PTH109
            [str(file.absolute()) for file in files],
        )  # fmt: skip
        self._connection = ask(f"{_address()}-{service}", pickle.dumps(wanted))
        self.pid = int(self._connection.recv(_LONGEST_ANSWER_BYTES))
        self._code: int | None = None
        _running().add(self._connection)

    def poll(self) -> int | None:
        """Return the exit code, -9 after SIGKILL; None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code when it has ended."""
        if self._code is None:
            self._connection.settimeout(timeout)
            try:
                answer = self._connection.recv(_LONGEST_ANSWER_BYTES)
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0) from None
            self._code = int(answer or _LOST)
            _running().discard(self._connection)
            self._connection.close()
        return self._code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL unless it has ended."""
        self.send_signal(signal.SIGKILL)


ModuleProcess = ForkedProcess | subprocess.Popen[bytes]


def start_module(
    module: str,
    *arguments: str,
    environment: Mapping[str, str],
    log: Path,
    fork: bool = True,
    service: str = _ANY,
) -> ModuleProcess:
    """Start ``python -m module``, which is or runs a service, with its output in a file.

    Without `fork`, and where coverage is measured (it counts no forks), an interpreter is started.
    """
    if fork and can_fork():
        return ForkedProcess(module, arguments, environment=environment, log=log, service=service)
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=environment, stderr=output, stdout=output,
        )  # fmt: skip


def can_fork() -> bool:
    """Return whether this system can, and nobody measures coverage."""
    return sys.platform == "linux" and not any(
        name.startswith("COVERAGE_PROCESS") for name in os.environ
    )


def run_module(module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run ``python -m module`` with these variables in this process; return its exit code."""
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *arguments]
    code: object = None
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        code = error.code
    except BaseException:  # noqa: BLE001  (as an interpreter ends)
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)  # noqa: T201  (as an interpreter does)
    atexit._run_exitfuncs()  # the process ends without them
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


@lru_cache(maxsize=1)
def _running() -> set[socket.socket]:
    """Return the connections of processes that end with this one, whoever forgets them."""
    running: set[socket.socket] = set()
    atexit.register(_hang_up, running)
    return running


def _hang_up(running: set[socket.socket]) -> None:
    for connection in running:
        connection.close()
    running.clear()


def _address() -> str:
    """Return how the places of all workers of a run begin, else those of this process."""
    return os.environ.get(run_addresses.SERVICES) or str(_own_server())


@contextmanager
def listen_for_services(address: Path) -> Iterator[list[socket.socket]]:
    """Give the sockets for `serve_services`, whose names begin with an address."""
    with ExitStack() as stack:
        names = (address.with_name(f"{address.name}-{place}") for place in _PLACES)
        yield [stack.enter_context(listen(name)) for name in names]


@lru_cache(maxsize=1)
def _own_server() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="livetrap-test-"))
    address = folder / "services"
    with listen_for_services(address) as listeners:
        server = start_server("tests.support.forked", "serve_services", *listeners)
    atexit.register(_stop, server, folder)
    return address


def _stop(server: subprocess.Popen[bytes], folder: Path) -> None:
    _hang_up(_running())
    stop_server(server)
    shutil.rmtree(folder, ignore_errors=True)


def start_server(
    module: str, function: str, *listeners: socket.socket, arguments: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start an interpreter that serves sockets until its standard input is closed.

    Parameters
    ----------
    module, function : str
        What to call with the descriptors of the sockets.
    *listeners : socket.socket
        Of `listen`; this process may close them.
    arguments : sequence of str
        Its command line.
    """
    numbers = [each.fileno() for each in listeners]
    code = (
        f"import sys; sys.path.insert(0, {str(_REPOSITORY)!r});"
        f" from {module} import {function} as serve; serve(*{numbers})"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=numbers,
    )  # fmt: skip


def stop_server(server: subprocess.Popen[bytes]) -> None:
    """Wait until all that it has forked has ended, and end it."""
    assert server.stdin is not None
    server.stdin.close()
    try:
        server.wait(_END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def serve_services(*listener_numbers: int) -> None:
    """Fork services until standard input is closed; import their libraries at the first.

    Parameters
    ----------
    *listener_numbers : int
        Descriptors of the sockets of `listen_for_services`.
    """
    listeners = [socket.socket(fileno=each) for each in listener_numbers]
    places = dict(zip(listeners, _PLACES, strict=True))
    if not wait_until_asked(places, lifeline=0):
        return
    for module in _PRELOADED:
        importlib.import_module(module)
    gc.freeze()  # all that is imported is shared with the services
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for those who ask
    children = []
    while listener := wait_until_asked(places, lifeline=0):
        place = places.pop(listener)
        pid = os.fork()
        if pid == 0:
            for other in places:
                other.close()
            os._exit(_serve_place(listener, place))
        listener.close()
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


def _serve_place(listener: socket.socket, place: str) -> int:
    """Fork the processes of one service; in each of them return its exit code."""
    for name in _APPS if place == STACK else _APPS.keys() & {place}:
        with contextlib.suppress(Exception):  # each process says so itself
            importlib.import_module(_APPS[name])
            if name == "api":
                _make_routes_ready()
    gc.freeze()
    request = serve(listener, lifeline=0)
    return _become(pickle.loads(request.data)) if request else 0  # noqa: S301  (of the tests)


def _make_routes_ready() -> None:
    """Look at all routes of the API: FastAPI makes each ready at the first request."""
    from api.app.service import _make_routes

    for route in _make_routes():
        route.matches({"type": "http", "method": "GET", "path": "/nowhere", "headers": []})


def keep_metrics_of(service: str) -> None:
    """Forget the metrics of all other services, whose rooms this process has."""
    for name, app in _APPS.items():
        module = sys.modules.get(app.replace(".app", ".metrics"))
        if module is None or name == service:
            continue
        for each in vars(module).values():
            if isinstance(each, Counter | Gauge | Histogram):
                REGISTRY.unregister(each)


def _become(wanted: _Wanted) -> int:
    """Be ``python -m module`` with its output and its errors in files; return the exit code."""
    os.chdir(wanted.folder)
    sys.path[:] = wanted.path
    for stream, file in enumerate(wanted.output, 1):
        output = os.open(file, os.O_WRONLY | os.O_APPEND)
        os.dup2(output, stream)
        os.close(output)
    return run_module(wanted.module, wanted.arguments, wanted.environment)
