"""Messages reach the event loop from the thread that waits for them; an error ends the reading."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from runtime.errors import FatalError
from runtime.kafka import InMessage
from services.distribute.app.reader import TailReader


class FakeTail:
    """A topic that has these batches; then an error, or nothing any more."""

    def __init__(self, *batches: list[bytes], error: Exception | None = None) -> None:
        self.batches = [[InMessage("t", 0, 0, b"", value) for value in each] for each in batches]
        self.error = error
        self.is_closed = False

    def read(self, *, limit: int, timeout_s: float) -> list[InMessage]:
        assert limit > 1
        assert timeout_s > 0
        if self.batches:
            return self.batches.pop(0)
        if self.error is not None:
            raise self.error
        return []

    def close(self) -> None:
        self.is_closed = True


def to_coroutine(
    take: Callable[[Sequence[InMessage]], None],
) -> Callable[[Sequence[InMessage]], Coroutine[Any, Any, None]]:
    async def take_at_once(some: Sequence[InMessage]) -> None:
        take(some)

    return take_at_once


async def read(
    tail: FakeTail,
    *,
    n: int,
    on_messages: Callable[[Sequence[InMessage]], None] | None = None,
) -> tuple[list[bytes], list[object]]:
    """Read until `n` messages or an error have come."""
    messages: list[bytes] = []
    errors: list[object] = []
    reader = TailReader(
        tail,  # type: ignore[arg-type]
        on_messages=to_coroutine(
            on_messages or (lambda some: messages.extend(each.value for each in some))
        ),
        on_failure=errors.append,
    )
    reader.start()
    async with asyncio.timeout(60):
        while len(messages) < n and not errors:  # noqa: ASYNC110  (nothing reports it)
            await asyncio.sleep(0.01)
    reader.stop()
    return messages, errors


async def test_every_message_arrives_in_order() -> None:
    tail = FakeTail([b"a", b"b"], [], [b"c"])
    assert await read(tail, n=3) == ([b"a", b"b", b"c"], [])
    assert tail.is_closed


async def test_many_messages_leave_the_event_loop_to_others_between_them() -> None:
    values = [b"%d" % number for number in range(500)]
    parts: list[list[bytes]] = []
    done = asyncio.Event()

    def note(some: Sequence[InMessage]) -> None:
        parts.append([each.value for each in some])
        if parts[-1][-1] == values[-1]:
            done.set()

    reader = TailReader(
        FakeTail(values),  # type: ignore[arg-type]
        on_messages=to_coroutine(note),
        on_failure=lambda error: pytest.fail(repr(error)),
    )
    reader.start()
    async with asyncio.timeout(60):
        await done.wait()
    reader.stop()
    assert [value for part in parts for value in part] == values
    assert max(map(len, parts)) <= 20


async def test_a_consumer_that_cannot_continue_is_reported() -> None:
    error = FatalError("Kafka ends this consumer")
    tail = FakeTail([b"a"], error=error)
    messages, errors = await read(tail, n=9)
    assert (messages, errors) == ([b"a"], [error])
    assert tail.is_closed


async def test_an_exception_of_the_handler_is_reported() -> None:
    def fail(_: Sequence[InMessage]) -> None:
        raise ZeroDivisionError("a defect")

    _, errors = await read(FakeTail([b"a"]), n=1, on_messages=fail)
    with pytest.raises(ZeroDivisionError):
        raise errors[0]  # type: ignore[misc]


async def test_nothing_more_is_read_while_messages_are_not_taken() -> None:
    tail = FakeTail(*([b"%d" % number] for number in range(50)))
    may_take, taken = asyncio.Semaphore(0), asyncio.Event()
    values: list[bytes] = []

    async def take(some: Sequence[InMessage]) -> None:
        await may_take.acquire()
        values.extend(each.value for each in some)
        taken.set()

    reader = TailReader(
        tail,  # type: ignore[arg-type]
        on_messages=take,
        on_failure=lambda error: pytest.fail(repr(error)),
    )
    reader.start()
    async with asyncio.timeout(60):
        for number in range(10):
            may_take.release()
            await taken.wait()
            taken.clear()
            assert len(values) == number + 1
            # One is read ahead at most.
            assert len(tail.batches) >= 50 - len(values) - 1
    reader.stop()
    assert tail.is_closed


async def test_a_reader_ends_whose_messages_are_never_taken() -> None:
    tail, has_come = FakeTail([b"a"]), asyncio.Event()

    async def take(_: Sequence[InMessage]) -> None:
        has_come.set()
        await asyncio.Event().wait()

    reader = TailReader(
        tail,  # type: ignore[arg-type]
        on_messages=take,
        on_failure=lambda error: pytest.fail(repr(error)),
    )
    reader.start()
    await asyncio.wait_for(has_come.wait(), 60)
    reader.stop()
    assert tail.is_closed
