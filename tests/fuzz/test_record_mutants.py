"""Whatever comes on detections-v1 and forced-measurements-v1: booked, and nothing breaks."""

import asyncio
import math
from dataclasses import replace

import numpy as np
import pytest

from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage, OutMessage
from schemas.codec import (
    CodecError,
    decode_image_detections,
    encode_forced_measurements,
    encode_image_detections,
)
from schemas.messages import ForcedMeasurements, ImageDetections, SourceOffset
from schemas.reasons import MessageReason
from schemas.topics import Topics
from services.associate.handlers.forced_measurements import ForcedMeasurementsHandler
from services.associate.steps.records import to_refused_record
from services.associate.storage import CatalogueStore
from tests.support.association import Associator, associator
from tests.support.avro_mutants import avro_mutant
from tests.support.forced_results import measure
from tests.support.fuzzing import SEED, n_mutants
from tests.support.kafka_messages import hostile_headers, hostile_key, received
from tests.support.records import image

# A second: it is what an image with a wrong date waits for.
CADENCE_DAYS = 1 / 86_400
POSITIONS = [(123.0, 10.0), (123.5, 10.2)]
UNFIT = {"internal_error", "killed_the_process", "lost_by_retention"}
FITTING = {reason.value for reason in MessageReason} - UNFIT


async def numbers_that_are_none(case: Associator) -> list[tuple[str, str, float]]:
    """Return the values of the running catalogue that no later measurement could mend."""
    return [
        (table, column, value)
        for table in ("source", "source_band", "detection")
        for row in await case.rows(f"select * from {table}")  # noqa: S608  (names from above)
        for column, value in row.items()
        if isinstance(value, float)
        and not (math.isfinite(value) and abs(value) < 1e100)
        and not (table == "detection" and math.isnan(value))
        # A position that a fit could not constrain is stored, and matches nothing.
        and not (column in {"ra_err_deg", "dec_err_deg"} and value == math.inf)
    ]


def good_record(case: Associator, number: int) -> ImageDetections:
    """Return an image of the stream; its place on Kafka is its own."""
    record = image(
        number * CADENCE_DAYS, POSITIONS[: 1 + number % 2], stream=case.stream, salt="m"
    )
    assert record.metadata is not None
    return replace(
        record,
        source=SourceOffset(case.stream, "images-v1", 0, number),
        metadata=replace(record.metadata, telescope="FUZZ"),
        reason_text="text",
        warnings=("BUNIT absent",),
    )


async def settle(case: Associator) -> list[str]:
    """Commit everything; return the reasons of the dead letters.

    An image far ahead of all others waits three cadences for one that agrees, and what is booked
    with it waits, too.
    """
    reasons: list[str] = []
    while True:
        await case.settle()
        letters = case.handler.dead_letters.pending
        reasons += [reason_of(letter) for letter in letters]
        case.handler.dead_letters.clear()
        if letters:
            continue
        if not case.handler._windows.n_open_images():
            return reasons
        await asyncio.sleep(0.02)


def reason_of(letter: OutMessage) -> str:
    """Return the reason of a dead letter, with its error where nobody expected it."""
    reason = str(letter.headers["reason"])
    return reason if reason in FITTING else f"{reason}: {letter.headers['error']}"


async def booked(case: Associator, record: ImageDetections) -> list[str]:
    """Return the outcomes in the ledger for the place on Kafka that a record names."""
    source = record.source
    rows = await case.rows(
        "select outcome from image_ledger where (kafka_cluster_id, kafka_topic, kafka_partition, "
        "kafka_offset) = ($1, $2, $3, $4)",
        source.cluster_id, source.topic, source.partition, source.offset,
    )  # fmt: skip
    return [row["outcome"] for row in rows]


async def test_every_record_is_in_the_ledger_and_the_catalogue_stays_sound(
    postgres_url: str,
) -> None:
    failures: list[object] = []
    async with associator(postgres_url) as case:
        for number in range(n_mutants("image_detections")):
            rng = np.random.default_rng((SEED, number, 1))
            good = encode_image_detections(good_record(case, number))
            rule, value = avro_mutant(good, SEED, number)
            message = received(
                ("detections-v1", 0, case.offset), key=hostile_key(rng), value=value,
                headers=hostile_headers(rng),
            )  # fmt: skip
            case.offset += 1
            case.handler.on_message(message)
            reasons = await settle(case)
            outcome = await outcome_of(case, message, reasons)
            if outcome is not None:
                failures.append((number, rule, outcome))
        assert not failures, failures[:20]
        assert await numbers_that_are_none(case) == []
        # The state afterwards still takes a good image.
        good_image = replace(
            good_record(case, n_mutants("image_detections") + 50), image_id="f0" * 32
        )
        case.deliver([good_image])
        assert await settle(case) == []
        assert await booked(case, good_image) in (["processed"], ["late"])


async def outcome_of(case: Associator, message: InMessage, reasons: list[str]) -> object:
    """Return what is wrong with the end of a message; None if nothing is."""
    try:
        record = decode_image_detections(message.value)
    except CodecError:
        record = None
    if reasons:
        if len(reasons) > 1 or reasons[0] not in FITTING:
            return reasons
        refused = to_refused_record(message, record, reasons[0], case.stream)
        outcomes = await booked(case, refused)
        return None if len(outcomes) == 1 else ("dead letter without a row", reasons, outcomes)
    if record is None:
        return "neither dead letter nor record"
    outcomes = await booked(case, record)
    return None if len(outcomes) == 1 else ("accepted without a row", outcomes)


@pytest.fixture
def topics() -> Topics:
    return Topics("")


async def forced_result(case: Associator) -> ForcedMeasurements:
    """Return the answer to a request that the associator has made for a faded source."""
    for step, positions in enumerate((POSITIONS, POSITIONS, POSITIONS[:1])):
        await case.feed(image(step, positions))
    (request,) = case.requests
    return measure(request)


async def test_every_forced_measurement_is_stored_or_refused(
    postgres_url: str, topics: Topics
) -> None:
    failures: list[object] = []
    async with associator(postgres_url) as case:
        result = await forced_result(case)
        good = encode_forced_measurements(result)
        store = CatalogueStore(case.pool)
        handler = ForcedMeasurementsHandler(store, case.settings.associate, topics)
        for number in range(n_mutants("forced_measurements")):
            rng = np.random.default_rng((SEED, number, 2))
            rule, value = avro_mutant(good, SEED, number)
            message = received(
                ("forced-measurements-v1", 0, number), key=hostile_key(rng), value=value,
                headers=hostile_headers(rng),
            )  # fmt: skip
            try:
                await handler.on_message(message)
            except RejectedMessageError as error:
                if error.reason_code not in FITTING:
                    failures.append((number, rule, error.reason_code, str(error)))
            except Exception as error:  # noqa: BLE001  (that none comes is what is tested)
                failures.append((number, rule, repr(error)))
        assert not failures, failures[:20]
        assert await numbers_that_are_none(case) == []
        await handler.on_message(InMessage("forced-measurements-v1", 0, 0, b"", good))
        rows = await case.rows(
            "select flux_peak_jy_beam from detection join stream on stream.id = stream_id "
            "where extraction_type = 'forced' and name = $1 limit 1",
            case.stream,
        )
        assert len(rows) == 1
