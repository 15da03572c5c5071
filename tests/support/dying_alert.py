"""The alert service, killed by itself at a step: ``python -m tests.support.dying_alert STEP``.

SIGKILL gives it no chance to tidy up; what is left is what PostgreSQL and Kafka have.
"""

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from services.alert.app.sender import KafkaSender
from services.alert.app.service import main
from services.alert.handlers.vtp import VtpServer
from services.alert.storage import AlertStore, AlertTransaction

__all__ = ["STEPS"]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _before(owner: type, name: str) -> None:
    def dying(*_: Any, **__: Any) -> None:
        _die()

    setattr(owner, name, dying)


def _after(owner: type, name: str) -> None:
    work = getattr(owner, name)

    async def dying(*arguments: Any) -> None:
        await work(*arguments)
        _die()

    setattr(owner, name, dying)


def _when_stored() -> None:
    work = AlertStore.transaction

    @asynccontextmanager
    async def dying(self: AlertStore, event_ids: Sequence[str]) -> AsyncIterator[AlertTransaction]:
        async with work(self, event_ids) as book:
            yield book
        _die()

    AlertStore.transaction = dying  # type: ignore[method-assign]


def _when_half_is_on_kafka() -> None:
    work = KafkaSender._produce

    async def dying(self: KafkaSender, messages: list[Any]) -> None:
        await work(self, messages[: len(messages) // 2 + 1])
        _die()

    KafkaSender._produce = dying  # type: ignore[method-assign]


def _when_one_is_broadcast() -> None:
    work, told = VtpServer.broadcast, []

    def dying(self: VtpServer, packet: bytes) -> int:
        if told:
            _die()
        told.append(packet)
        return work(self, packet)

    VtpServer.broadcast = dying  # type: ignore[method-assign]


STEPS: dict[str, Callable[[], None]] = {
    "before an alert is stored": lambda: _before(AlertTransaction, "add"),
    "before the transaction ends": lambda: _after(AlertTransaction, "add"),
    "when the alerts are stored": _when_stored,
    "when half of them is on Kafka": _when_half_is_on_kafka,
    "when they are on Kafka": lambda: _after(KafkaSender, "send"),
    "when one is broadcast": _when_one_is_broadcast,
    "before they are marked": lambda: _before(AlertStore, "mark_sent"),
    "when they are marked": lambda: _after(AlertStore, "mark_sent"),
    "before the dead letters are out": lambda: _before(KafkaSender, "send_dead_letters"),
    "when the dead letters are out": lambda: _after(KafkaSender, "send_dead_letters"),
}

if __name__ == "__main__":
    STEPS[sys.argv[1]]()
    main()
