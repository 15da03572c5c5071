"""A worker that fails while its broker hangs: ``python -m tests.support.failing_worker``."""

import os
import signal
import sys
from collections.abc import Sequence

from runtime.errors import FatalError, RejectedMessageError
from runtime.kafka import InMessage, OutMessage
from runtime.process import MessageHandler, run_service
from runtime.settings import WorkerSettings
from runtime.stop_flag import StopFlag
from runtime.worker import Worker

__all__ = ["main"]


class _Failing:
    def __init__(self, how: str, broker_pid: int) -> None:
        self._how = how
        self._broker_pid = broker_pid
        self._has_hung = False

    def handle(self, _: InMessage) -> Sequence[OutMessage]:
        if self._has_hung and self._how == "fatal":
            raise FatalError("the test ends it")
        # Before this message is committed: the end of a consumer would wait for that.
        os.kill(self._broker_pid, signal.SIGSTOP)
        self._has_hung = True
        return []

    def on_rejected(self, _: InMessage, error: RejectedMessageError) -> Sequence[OutMessage]:
        raise error

    def when_idle(self) -> None:
        if self._has_hung:
            raise ZeroDivisionError("a defect outside of a message")


def main() -> None:
    """Handle two messages; how it fails, and the process of the broker, are the arguments."""
    how, broker_pid = sys.argv[1], int(sys.argv[2])

    def body(settings: WorkerSettings, stop: StopFlag) -> None:
        failing = _Failing(how, broker_pid)
        worker = Worker(settings, stop, group="failing")
        worker.run(
            {worker.topics.images: MessageHandler(failing.handle, failing.on_rejected)},
            timeout_s=60.0,
            when_idle=failing.when_idle,
        )

    run_service("failing", WorkerSettings, body)


if __name__ == "__main__":
    main()
