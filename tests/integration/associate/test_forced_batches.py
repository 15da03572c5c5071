"""Answers in batches: a bad one alone is refused, and what killed a process is tried alone."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from runtime.errors import RejectedMessageError
from runtime.in_flight import InFlight
from runtime.kafka import InMessage
from schemas.codec import encode_forced_measurements
from schemas.messages import ForcedMeasurements
from schemas.topics import Topics
from services.associate.handlers.forced_batches import ForcedBatches, most_messages
from services.associate.handlers.forced_measurements import ForcedMeasurementsHandler
from services.associate.storage import CatalogueStore
from tests.support.association import Associator, associator
from tests.support.fed_outcome import assert_same, read_outcome
from tests.support.forced_results import measure
from tests.support.in_flight import new_in_flight
from tests.support.records import image

PLACES = [(123.0, 10.0), (124.0, 10.5), (122.0, 9.5)]
N_STEPS = 6


async def observe(case: Associator) -> list[InMessage]:
    """Detect all sources once, one ever after; return the answers to the requests."""
    await case.feed(image(0, PLACES))
    for step in range(1, N_STEPS):
        await case.feed(image(step, PLACES[:1]))
    return to_messages([measure(request, 9e-3) for request in case.requests])


def to_messages(results: Sequence[ForcedMeasurements]) -> list[InMessage]:
    return [
        InMessage("forced", 0, number, b"", encode_forced_measurements(each))
        for number, each in enumerate(results)
    ]


def batches_of(case: Associator, in_flight: InFlight | None = None) -> ForcedBatches:
    handler = ForcedMeasurementsHandler(
        CatalogueStore(case.pool), case.settings.associate, Topics()
    )
    return ForcedBatches(
        handler,
        in_flight or new_in_flight(),
        dead_letters=case.handler.dead_letters,
        outbox=case.handler.outbox,
    )


async def store(batches: ForcedBatches, messages: Sequence[InMessage]) -> list[int]:
    """Store messages; return the sizes of the batches."""
    found = batches.split(messages)
    for batch in found:
        await batches.store(batch)
    return [len(batch) for batch in found]


async def n_points(case: Associator) -> int:
    (row,) = await case.rows(
        "select count(*) as n from detection join stream on stream.id = stream_id "
        "where name = $1 and extraction_type = 'forced'",
        case.stream,
    )
    return int(row["n"])


def dead_offsets(case: Associator) -> list[int]:
    """Return the offsets of the messages that became dead letters."""
    return [int(dict(each.headers)["offset"]) for each in case.handler.dead_letters.pending]


async def test_a_refused_answer_leaves_the_others_as_they_are(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        messages = await observe(case)
        messages[1] = replace(messages[1], value=b"no Avro")
        sizes = await store(batches_of(case), messages)
        assert sizes == [1, 1, len(messages) - 2]
        assert dead_offsets(case) == [1]
        assert await n_points(case) == 2 * (len(messages) - 1)


async def test_one_that_postgres_refuses_is_alone(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with associator(postgres_url) as case:
        messages = await observe(case)
        bad = case.requests[2].image_id
        store_all = ForcedMeasurementsHandler.store

        async def refuse(
            self: ForcedMeasurementsHandler, results: Sequence[ForcedMeasurements]
        ) -> bool:
            if any(each.image_id == bad for each in results):
                await store_all(self, results)  # whatever it has written is undone
                raise RejectedMessageError("bad_flux", "refused")
            return await store_all(self, results)

        with monkeypatch.context() as patched:
            patched.setattr(ForcedMeasurementsHandler, "store", refuse)
            assert await store(batches_of(case), messages) == [len(messages)]
        assert dead_offsets(case) == [2]


async def test_what_killed_a_process_is_tried_alone(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        messages = await observe(case)
        in_flight = new_in_flight(case.stream)
        in_flight.attempts.begin(*messages[:3])  # and the process ended
        in_flight.attempts.close()
        sizes = await store(batches_of(case, new_in_flight(case.stream)), messages)
        assert sizes == [1, 1, 1, len(messages) - 3]
        assert not case.handler.dead_letters.pending
        assert await n_points(case) == 2 * len(messages)


async def test_a_repeated_batch_changes_nothing(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        messages = await observe(case)
        batches = batches_of(case)
        await store(batches, messages[:3])
        await case.settle()
        once = await read_outcome(case, case.events)
        await store(batches, messages[:3])  # killed before its offsets were stored
        await case.settle()
        assert_same(once, await read_outcome(case, case.events))
        await store(batches, [*messages, messages[0]])
        assert await n_points(case) == 2 * len(messages)


async def test_streams_have_batches_of_their_own(postgres_url: str) -> None:
    async with associator(postgres_url) as one, associator(postgres_url) as other:
        mine, theirs = await observe(one), await observe(other)
        mixed = [message for pair in zip(mine, theirs, strict=True) for message in pair]
        numbers = np.arange(len(mixed)).tolist()
        mixed = [replace(each, offset=at) for each, at in zip(mixed, numbers, strict=True)]
        assert await store(batches_of(one), mixed) == [len(mine), len(theirs)]
        assert [await n_points(one), await n_points(other)] == [2 * len(mine), 2 * len(theirs)]


def test_a_batch_is_as_large_as_its_time_allows() -> None:
    assert most_messages(0.05, 1) == 4
    assert most_messages(6.4, 64) == 2
    assert most_messages(9.0, 3) == 1
    assert most_messages(0.0, 64) == 64
