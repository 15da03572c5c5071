"""Run a stack until Ctrl-C, or until its terminal closes."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from livetrap.stack.errors import StackError
from livetrap.stack.lifecycle import RunningStack, start, stop_started
from livetrap.stack.plan import UpOptions
from livetrap.stack.state import StackState, describe_links
from runtime.listening import format_address
from runtime.programs import Program

__all__ = ["announce", "run_in_foreground", "stop_requests", "watch"]

_WATCH_INTERVAL_S = 2.0


@contextmanager
def stop_requests() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP (the terminal was closed) like Ctrl-C.

    SIGINT too: a script that starts a command in its background has it ignored.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [(kind, signal.signal(kind, interrupt)) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in before:
            signal.signal(kind, handler)


def announce(state: StackState) -> None:
    """Print that the stack is ready, and its addresses."""
    vtp = format_address(state.vtp_host, state.vtp_port)
    print(
        f"ready\n  web UI   {state.api_url}/\n  VOEvents {vtp}\n  Kafka    {state.kafka}\n"
        f"  links    {describe_links(state.public_url)}",
        flush=True,
    )


def run_in_foreground(
    options: UpOptions,
    *,
    report: Callable[[str], None],
    body: Callable[[RunningStack], None] | None = None,
) -> None:
    """Start a stack, call `body` while it runs, and stop it however that ends.

    Parameters
    ----------
    options : UpOptions
        What to start.
    report : callable
        Called with a line for each step.
    body : callable, optional
        Runs until it is interrupted; default: watch the programs.

    Raises
    ------
    StackError
        If the stack does not start or dies by itself.
    """
    with stop_requests():
        try:
            running = start(options, detach=False, report=report)
            try:
                announce(running.state)
                (body or (lambda stack: watch(stack, report=report)))(running)
            finally:
                report("stopping")
                stop_started(options.data_dir, running)
        except KeyboardInterrupt:
            report("stopped")


def watch(running: RunningStack, *, report: Callable[[str], None]) -> None:
    """Report changes of the programs' states until supervisord ends.

    Parameters
    ----------
    running : RunningStack
        The stack.
    report : callable
        Called with a line for each change.

    Raises
    ------
    StackError
        If supervisord ends by itself.
    """
    states: dict[str, str] = {}
    while True:
        try:
            code = running.process.wait(timeout=_WATCH_INTERVAL_S)
        except subprocess.TimeoutExpired:
            with suppress(StackError):  # a machine that is busy for long answers later
                _report_changes(running.supervisor.states(), states, report)
        else:
            raise StackError(
                f"supervisord ended by itself (exit code {code}); see logs/supervisord.log"
            )


def _report_changes(
    programs: list[Program], states: dict[str, str], report: Callable[[str], None]
) -> None:
    """Report programs whose state is not the one in `states`, and keep the new one there."""
    for program in programs:
        if states.setdefault(program.name, "RUNNING") != program.state:
            states[program.name] = program.state
            how = f" ({program.last_exit})" if program.n_exits and program.last_exit else ""
            report(f"{program.name} is {program.state.lower()}{how}")
