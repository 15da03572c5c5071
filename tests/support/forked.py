"""Processes of services, forked from one that has imported their libraries: a second less a start.

What runs is the module of ``python -m``, with arguments, variables and output of its own. How
users start the services is tested by the stacks of ``tests/end_to_end``, and how they end by
``tests/integration/runtime/test_shutdown.py``: both start an interpreter for each.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from functools import lru_cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

__all__ = ["ForkedProcess", "ModuleProcess", "can_fork", "run_module", "start_module"]

# Libraries and what all services share; a service imports its own rooms itself, so that no
# process has the metrics of another. pytest: its module is the main one of the parent.
_PRELOADED = (
    "aiohttp", "astropy.coordinates", "astropy.io.votable", "astropy.wcs", "astropy_healpix",
    "asyncpg", "confluent_kafka.admin", "fastapi", "fastavro", "faust.app",
    "faust.transport.drivers.aiokafka", "httpx", "lxml.etree", "numpy", "pydantic_settings",
    "pytest", "runtime.process", "rules.wanted", "schemas.codec", "scipy.special", "structlog",
    "uvicorn",
)  # fmt: skip


class ForkedProcess:
    """What tests use of `subprocess.Popen`."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        errors: Path | None = None,
    ) -> None:
        files = [log, errors or log]
        for file in files:
            file.write_bytes(b"")  # it is there at once, as with a process that is started
        names = [str(file) for file in files]
        self._process = _context().Process(
            target=_run, args=(module, arguments, dict(environment), names), daemon=True
        )
        self._process.start()

    @property
    def pid(self) -> int:
        pid = self._process.pid
        assert pid is not None
        return pid

    def poll(self) -> int | None:
        """Return the exit code, -9 after SIGKILL; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code when it has ended."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL unless it has ended."""
        self.send_signal(signal.SIGKILL)


ModuleProcess = ForkedProcess | subprocess.Popen[bytes]


def start_module(
    module: str, *arguments: str, environment: Mapping[str, str], log: Path, fork: bool = True
) -> ModuleProcess:
    """Start ``python -m module`` with its output in a file.

    Without `fork`, and where coverage is measured (it counts no forks), an interpreter is started.
    """
    if fork and can_fork():
        return ForkedProcess(module, arguments, environment=environment, log=log)
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=environment, stderr=output, stdout=output,
        )  # fmt: skip


def can_fork() -> bool:
    """Return whether nobody measures coverage."""
    return not any(name.startswith("COVERAGE_PROCESS") for name in os.environ)


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
    atexit._run_exitfuncs()  # a process of multiprocessing ends without them
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


@lru_cache(maxsize=1)
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    return context


def _run(
    module: str, arguments: Sequence[str], environment: dict[str, str], files: Sequence[str]
) -> None:
    """Become ``python -m module`` with its output and its errors in these files."""
    for stream, file in enumerate(files, 1):
        output = os.open(file, os.O_WRONLY | os.O_APPEND)
        os.dup2(output, stream)
        os.close(output)
    sys.exit(run_module(module, arguments, environment))
