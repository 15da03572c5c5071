"""Start, query and stop one supervisord."""

import os
import re
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import psutil

from livetrap.stack.child import bind_to_parent
from livetrap.stack.errors import StackError
from runtime.programs import Program, SupervisorError, read_programs

__all__ = ["Supervisor", "launch", "stop_process"]

_DEAD_STATES = frozenset({"FATAL", "EXITED", "STOPPED", "UNKNOWN"})
# Exits in a row that a program may have while the stack starts.
_ACCIDENTS = 4
# Lines of a log among which PostgreSQL says why it ended.
_LINES_OF_AN_END = 6
_REASON = re.compile(r"FATAL:(?!.*could not create any TCP)|could not bind")


@dataclass(frozen=True, slots=True)
class Supervisor:
    """A running supervisord, reached by its unix socket.

    Parameters
    ----------
    socket : str
        Path of the socket.
    logs : Path
        Folder of the programs' logs.
    """

    socket: str
    logs: Path

    def states(self) -> list[Program]:
        """Return the state of every program."""
        try:
            return read_programs(self.socket).items
        except SupervisorError as error:
            raise StackError(str(error)) from error

    def start_group(self, group: str) -> None:
        """Start every program of a group without waiting for it."""
        wait = False
        self._call("startProcessGroup", group, wait)

    def wait_until_answering(self, process: subprocess.Popen[bytes], *, timeout_s: float) -> None:
        """Wait for the socket of a supervisord that was just launched."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self.states()
            except StackError:
                if process.poll() is not None or time.monotonic() > deadline:
                    last_line = self._last_line("supervisord.out")
                    raise StackError(f"supervisord did not start: {last_line}") from None
                time.sleep(0.05)
            else:
                return

    def assert_alive(self, name: str, *, allow_retry: bool = True) -> None:
        """Raise if a program has ended for good, or keeps ending.

        Parameters
        ----------
        name : str
            Of the program.
        allow_retry : bool
            A program that ended a few times and will be started again counts as alive.

        Raises
        ------
        StackError
            With the last line of its log.
        """
        dead = _DEAD_STATES if allow_retry else _DEAD_STATES | {"BACKOFF"}
        for program in self.states():
            has_ended = program.state in dead or program.n_exits > _ACCIDENTS
            if program.name == name and has_ended:
                how = program.last_exit or program.state.lower()
                raise StackError(
                    f"{name} does not keep running ({how}): "
                    f"{self._last_line(f'{name}.log')} (see {self.logs / name}.log)"
                )

    def _last_line(self, filename: str) -> str:
        """Return the last line of a log that is not empty."""
        try:
            text = (self.logs / filename).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            return f"no log ({error.strerror})"
        # supervisord's own complaint is followed by an offer of help.
        lines = [
            line.strip()
            for line in text.splitlines()
            if line.strip() and not line.startswith("For help, use")
        ]
        # PostgreSQL says what stopped it some lines before its last one.
        why = [line for line in lines[-_LINES_OF_AN_END:] if _REASON.search(line)]
        return (why or lines or ["its log is empty"])[-1][:500]

    def _call(self, method: str, *arguments: object) -> object:
        """Call a method of supervisord."""
        from supervisor.xmlrpc import SupervisorTransport  # noqa: PLC0415  (of the extra `local`)

        transport = SupervisorTransport(None, None, serverurl=f"unix://{self.socket}")
        proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            answer: object = getattr(proxy.supervisor, method)(*arguments)
        except (OSError, HTTPException, xmlrpc.client.Error) as error:
            raise StackError(f"supervisord does not answer on {self.socket}: {error}") from error
        else:
            return answer
        finally:
            transport.close()


def launch(
    config: Path, *, environment: Mapping[str, str], detach: bool
) -> subprocess.Popen[bytes]:
    """Start supervisord in a session of its own, so that Ctrl-C reaches only its starter.

    Parameters
    ----------
    config : Path
        Its supervisord.conf; ``logs/`` stands beside it.
    environment : mapping
        Inherited by every program.
    detach : bool
        Leave it running when this process ends.

    Returns
    -------
    subprocess.Popen
        The process.
    """
    command = [sys.executable, "-m", "livetrap.stack.supervisord", "-n", "-c", str(config)]
    if not detach:
        command = bind_to_parent(command, death_signal=signal.SIGTERM)
    with (config.parent / "logs" / "supervisord.out").open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment) | {"TZ": "UTC"},  # of every log
            cwd=config.parent,
            start_new_session=True,
        )


def stop_process(pid: int, *, timeout_s: float) -> None:
    """Ask supervisord to stop its programs and itself; kill what still runs after a while.

    Parameters
    ----------
    pid : int
        Of supervisord.
    timeout_s : float
        Time before the kill [s].
    """
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        os.kill(pid, signal.SIGTERM)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return
    deadline = time.monotonic() + timeout_s
    while _is_running(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    for member in family:
        # A child of a child may still run; psutil does not take a reused pid for the old one.
        if _is_running(member):
            _kill(member)


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
