"""The alert service, killed by itself at a step: ``python -m tests.support.dying_alert STEP``."""

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from services.alert.app.sender import KafkaSender
from services.alert.app.service import main
from services.alert.storage import AlertStore, AlertTransaction
from tests.support.dying import die, die_after, die_before

__all__ = ["STEPS"]


def _when_stored() -> None:
    work = AlertStore.transaction

    @asynccontextmanager
    async def dying(self: AlertStore, event_ids: Sequence[str]) -> AsyncIterator[AlertTransaction]:
        async with work(self, event_ids) as transaction:
            yield transaction
        die()

    AlertStore.transaction = dying  # type: ignore[method-assign]


def _when_half_is_on_kafka() -> None:
    work = KafkaSender._produce

    async def dying(self: KafkaSender, messages: list[Any]) -> None:
        await work(self, messages[: len(messages) // 2 + 1])
        die()

    KafkaSender._produce = dying  # type: ignore[method-assign]


STEPS: dict[str, Callable[[], None]] = {
    "before an alert is stored": lambda: die_before(AlertTransaction, "add"),
    "before the transaction ends": lambda: die_after(AlertTransaction, "add"),
    "when the alerts are stored": _when_stored,
    "when half of them is on Kafka": _when_half_is_on_kafka,
    "when they are on Kafka": lambda: die_after(KafkaSender, "send"),
    "before they are marked": lambda: die_before(AlertStore, "mark_published"),
    "when they are marked": lambda: die_after(AlertStore, "mark_published"),
    "before the dead letters are sent": lambda: die_before(KafkaSender, "send_dead_letters"),
    "when the dead letters are sent": lambda: die_after(KafkaSender, "send_dead_letters"),
}

if __name__ == "__main__":
    STEPS[sys.argv[1]]()
    main()
