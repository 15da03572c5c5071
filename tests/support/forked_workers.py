"""Workers of pytest-xdist, forked from a process that has imported all modules of tests.

A worker needs ten seconds of CPU time before its first test, and half of that to import.
"""

import contextlib
import os
import shlex
import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import execnet
import pytest

from tests.support import run_addresses, worker_client
from tests.support.fork_server import Request, listen, serve
from tests.support.forked import (
    can_fork,
    listen_for_services,
    serve_services,
    start_server,
    stop_server,
)

__all__ = ["ForkedWorkers", "can_fork_workers", "serve_workers"]


def can_fork_workers(config: pytest.Config, specs: Sequence[execnet.XSpec]) -> bool:
    """Return whether the workers are ordinary ones, of which nobody counts the lines."""
    is_counted = config.pluginmanager.hasplugin("_cov") or not can_fork()
    return not is_counted and all(spec.popen and not spec.python for spec in specs)


class ForkedWorkers:
    """The process that is forked, and the one for the services that workers start.

    Parameters
    ----------
    arguments : sequence of str
        Of pytest: they say which modules are imported, and how.
    specs : sequence of execnet.XSpec
        Of the workers; they are told to be forked.
    """

    def __init__(self, arguments: Sequence[str], specs: Sequence[execnet.XSpec]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="livetrap-test-"))
        workers, services = (self._folder / name for name in ("workers", "services"))
        with listen(workers) as of_workers, listen_for_services(services) as of_services:
            self._server = start_server(
                "tests.support.forked_workers", "serve_workers", of_workers, *of_services,
                arguments=[str(services), *arguments],
            )  # fmt: skip
        client = [sys.executable, "-S", "-E", worker_client.__file__, str(workers)]
        for spec in specs:
            spec.python = shlex.join(client)

    def close(self) -> None:
        """Wait until all have ended."""
        stop_server(self._server)
        shutil.rmtree(self._folder)


def serve_workers(of_workers: int, *of_services: int) -> None:
    """Fork workers, and services for them, until standard input is closed."""
    pid = os.fork()
    if pid == 0:
        os.close(of_workers)
        serve_services(*of_services)
        os._exit(0)
    for each in of_services:
        os.close(each)
    os.environ[run_addresses.SERVICES], *arguments = sys.argv[1:]
    _import_tests(arguments)
    if request := serve(socket.socket(fileno=of_workers), lifeline=0):
        _become_worker(request)
        return
    with contextlib.suppress(ChildProcessError):  # it has ended already
        os.waitpid(pid, 0)


class _OnlyModules:
    """Import modules, and look for no tests in them."""

    def pytest_configure(self, config: pytest.Config) -> None:
        self._root = config.rootpath

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self) -> list[pytest.Item]:
        return []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Forget a module that failed or wants to be skipped: each worker says so itself."""
        if not report.passed:
            file = str(self._root / report.fspath)
            for name, module in list(sys.modules.items()):
                if getattr(module, "__file__", None) == file:
                    del sys.modules[name]


def _import_tests(arguments: Sequence[str]) -> None:
    pytest.main([*arguments, "-n0", "--collect-only"], plugins=[_OnlyModules()])


def _become_worker(request: Request) -> None:
    """Do what execnet asks of an interpreter, with the streams of the one that it has started."""
    for stream, descriptor in enumerate(request.descriptors):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    sys.argv = ["-c"]
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    exec(eval(sys.stdin.readline()), {"__name__": "__main__"})  # noqa: S102, S307  (its protocol)
