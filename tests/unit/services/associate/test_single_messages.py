"""A message that is stored by itself: tried once more after a defect, then a dead letter."""

import pytest

from runtime.dead_letters import DeadLetters
from runtime.errors import RejectedMessageError, TransientError
from runtime.kafka import InMessage
from services.associate.handlers.single_messages import SingleMessages
from tests.support.in_flight import new_in_flight

MESSAGE = InMessage("forced-measurements-v1", 0, 7, b"night1", b"answer")
REFUSED = RejectedMessageError("damaged", "cut off")
DEFECT = ZeroDivisionError("broken on purpose")


class Store:
    """Fails as it is told, attempt by attempt, then stores."""

    def __init__(self, failures: list[Exception]) -> None:
        self.failures = list(failures)
        self.n_attempts = 0
        self.stored: list[InMessage] = []

    async def __call__(self, message: InMessage) -> None:
        self.n_attempts += 1
        if self.failures:
            raise self.failures.pop(0)
        self.stored.append(message)


def new_messages() -> tuple[SingleMessages, DeadLetters]:
    letters = DeadLetters(topic="dead-letters-v1", service="associate")
    return SingleMessages(new_in_flight(), letters), letters


@pytest.mark.parametrize(
    ("failures", "n_attempts", "reason"),
    [
        ([], 1, None),
        ([DEFECT], 2, None),
        ([DEFECT, DEFECT], 2, "internal_error"),
        ([REFUSED], 1, "damaged"),
        ([DEFECT, REFUSED], 2, "damaged"),
    ],
)
async def test_a_message_is_stored_or_becomes_one_dead_letter(
    failures: list[Exception], n_attempts: int, reason: str | None
) -> None:
    store, (messages, letters) = Store(failures), new_messages()
    await messages.store_or_refuse(store, MESSAGE)
    assert store.n_attempts == n_attempts
    assert store.stored == ([] if reason else [MESSAGE])
    assert [each.headers["reason"] for each in letters.pending] == ([reason] if reason else [])
    assert [each.value for each in letters.pending] == ([MESSAGE.value] if reason else [])


@pytest.mark.parametrize("before", [[], [DEFECT]])
async def test_while_the_database_is_away_a_message_is_none(before: list[Exception]) -> None:
    store, (messages, letters) = Store([*before, TransientError("away")]), new_messages()
    with pytest.raises(TransientError, match="away"):
        await messages.store_or_refuse(store, MESSAGE)
    assert letters.pending == ()
    await messages.store_or_refuse(store, MESSAGE)
    assert store.stored == [MESSAGE]
