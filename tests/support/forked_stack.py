"""A stack as `livetrap up --detach` starts it, without an interpreter for each of its processes.

supervisord is forked from the process that has imported everybody's libraries, and forks the
services instead of executing them. `tests/end_to_end/test_stack.py`, `test_odd_places.py` and the
tutorials start their stacks as users do.
"""

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

from supervisor.options import ServerOptions

from livetrap.stack import lifecycle, supervisord
from livetrap.stack.child import _die_with_parent
from livetrap.stack.kafka_jars import fetch_jars
from livetrap.stack.plan import UpOptions
from livetrap.stack.supervisor import launch
from tests.support.forked import (
    STACK,
    ForkedProcess,
    can_fork,
    keep_metrics_of,
    run_module,
)
from tests.support.kafka_storage import give_storage

__all__ = ["launch_forked", "start_forked"]

_CHILD = [sys.executable, "-m", "livetrap.stack.child", "--death-signal"]
_LIVETRAP = [sys.executable, "-m", "livetrap"]
_OF_SUPERVISORD = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGCHLD", "SIGUSR2")


def start_forked(data_dir: Path) -> None:
    """Start the stack of a data folder and wait until it is ready; the environment stays."""
    before = dict(os.environ)
    if "LIVETRAP_KAFKA__BOOTSTRAP_SERVERS" not in before:
        give_storage(data_dir / "kafka", fetch_jars(show_progress=False))
    start = launch_forked if can_fork() else launch
    try:
        with patch.object(lifecycle, "launch", start):
            running = lifecycle.start(UpOptions(data_dir), detach=True, report=lambda _: None)
        if not can_fork():  # `subprocess` warns of a child that nobody waits for
            threading.Thread(target=running.process.wait, daemon=True).start()
    finally:
        os.environ.clear()
        os.environ.update(before)


def launch_forked(config: Path, *, environment: Mapping[str, str], detach: bool) -> ForkedProcess:
    """Do what `livetrap.stack.supervisor.launch` does."""
    log = config.parent / "logs" / "supervisord.out"
    own = dict(environment) | {"TZ": "UTC"}
    return ForkedProcess(
        "tests.support.forked_stack", [str(config)], environment=own, log=log, service=STACK
    )


def _become(_: ServerOptions, filename: str, argv: list[str], environment: dict[str, str]) -> None:
    """Become a program: a service without a new interpreter, any other one by executing it."""
    at = len(_CHILD) + 2  # behind the signal and two hyphens
    if argv[: len(_CHILD)] != _CHILD or argv[at : at + len(_LIVETRAP)] != _LIVETRAP:
        os.execve(filename, argv, environment)  # noqa: S606  (as supervisord does)
    for name in _OF_SUPERVISORD:
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _die_with_parent(int(argv[len(_CHILD)]))
    arguments = argv[at + len(_LIVETRAP) :]
    keep_metrics_of(arguments[-1])
    # No frame of the supervisor may see the end.
    os._exit(run_module("livetrap", arguments, environment))


def _supervise(config: str) -> None:
    """Run supervisord in a session of its own; it ends with the process that it is forked from."""
    os.setsid()
    os.chdir(Path(config).parent)
    time.tzset()
    _die_with_parent(signal.SIGTERM)
    gc.freeze()  # all that is imported is shared with the services
    ServerOptions.execve = _become
    sys.argv = ["supervisord", "-n", "-c", config]
    supervisord.main()


if __name__ == "__main__":
    _supervise(sys.argv[1])
