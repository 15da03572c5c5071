"""A real supervisord, as the stack runs it, over small programs of a test."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from livetrap.stack.lifecycle import choose_socket
from livetrap.stack.paths import plain_path
from livetrap.stack.restarts import RestartPolicy
from livetrap.stack.supervisor import Supervisor, launch, stop_process
from livetrap.stack.supervisor_config import Program, config_text
from runtime.programs import Program as State
from tests.support.forked import ModuleProcess

__all__ = ["Supervised", "shell", "supervised"]


class Supervised:
    """A running supervisord and what it says of its programs."""

    def __init__(self, pid: int, supervisor: Supervisor) -> None:
        self.pid = pid
        self.supervisor = supervisor
        self.logs = supervisor.logs
        self.socket = supervisor.socket

    def states(self) -> dict[str, State]:
        return {item.name: item for item in self.supervisor.states()}

    def wait_for(self, condition: Callable[[dict[str, State]], bool]) -> dict[str, State]:
        """Return the states once they are as wanted; every question wakes supervisord."""
        deadline_s = time.monotonic() + 60
        while not condition(states := self.states()):
            assert time.monotonic() < deadline_s, states
            time.sleep(0.02)
        return states


def shell(name: str, script: str) -> Program:
    return Program(name, "services", ("/bin/sh", "-c", script), autostart=True)


@contextmanager
def supervised(
    *programs: Program,
    policy: RestartPolicy,
    full_logs: bool = False,
    inside: str = ".",
    start: Callable[..., ModuleProcess] = launch,
) -> Iterator[Supervised]:
    """Run programs under supervisord in a folder of that name, as the stack does.

    With `full_logs` no log can take a byte; `start` is another way to launch supervisord.
    """
    with tempfile.TemporaryDirectory(prefix="livetrap-") as name:
        (Path(name) / inside).mkdir(exist_ok=True)
        folder = plain_path(Path(name) / inside)
        (folder / "logs").mkdir()
        if full_logs:
            for log in ("supervisord", *(program.name for program in programs)):
                (folder / "logs" / f"{log}.log").symlink_to("/dev/full")
        socket, config = choose_socket(folder), folder / "supervisord.conf"
        config.write_text(config_text(programs, socket=socket, policy=policy))
        process = start(config, environment=os.environ, detach=False)
        supervisor = Supervisor(str(socket), folder / "logs")
        try:
            supervisor.wait_until_answering(process, timeout_s=60)
            yield Supervised(process.pid, supervisor)
        finally:
            stop_process(process.pid, timeout_s=60)
            process.wait()
            if socket.parent != folder:
                shutil.rmtree(socket.parent)
