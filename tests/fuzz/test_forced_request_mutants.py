"""Whatever comes on forced-requests-v1: an answer that the associator takes, or a reason."""

from dataclasses import replace

import numpy as np
import pytest

from runtime.attempts import AttemptLog
from runtime.in_flight import MessageLimits
from runtime.kafka import InMessage, OutMessage
from runtime.process import MessageHandler, process_message
from runtime.settings import ExtractSettings, IngestSettings
from schemas.codec import (
    CodecError,
    decode_forced_measurements,
    decode_forced_request,
    encode_forced_request,
)
from schemas.messages import ForcedMeasurements, ForcedRequest, PositionColumns, SourceOffset
from schemas.reasons import ForcedReason, ImageReason, MessageReason
from schemas.topics import Topics
from services.associate.steps.forced_results import check_result
from services.extract.handlers.forced import ForcedHandler
from services.extract.steps.forced_requests import ForcedPhotometry
from services.extract.steps.image_message import read_message
from services.extract.steps.measurement import ImageMeasurer
from tests.support.avro_mutants import avro_mutant
from tests.support.fuzzing import SEED, n_mutants
from tests.support.kafka_messages import hostile_headers, hostile_key, received
from tests.support.mutants import good_image

TOPICS = Topics("")
IMAGE = InMessage(TOPICS.images, 0, 7, b"fuzz:150", good_image())
KNOWN = {*ForcedReason, *ImageReason, *MessageReason} - {MessageReason.INTERNAL_ERROR}


def fetch(topic: str, partition: int, offset: int) -> InMessage | None:
    """Read an image again; the topic has one."""
    assert topic == TOPICS.images
    return IMAGE if (partition, offset) == (0, 7) else None


@pytest.fixture(scope="module")
def handler() -> MessageHandler:
    measurer = ImageMeasurer(ExtractSettings(detection_threshold_sigma=6), IngestSettings())
    forced = ForcedHandler(ForcedPhotometry(measurer, fetch, TOPICS.images, "cluster"), TOPICS)
    return MessageHandler(forced.on_request, forced.on_rejected, measurer.reset)


def good_request() -> ForcedRequest:
    return ForcedRequest(
        image_id=read_message(IMAGE, "cluster").digest.image_id,
        stream="fuzz",
        source=SourceOffset("cluster", TOPICS.images, 0, 7),
        positions=PositionColumns(
            position_id=np.array([3, 4, 5]),
            extraction_type=("forced", "monitor", "forced"),
            ra=np.array([10.0, 10.1, 200.0]),
            dec=np.array([20.0, 20.1, -20.0]),
        ),
    )


def answer(handler: MessageHandler, message: InMessage, attempts: AttemptLog) -> list[OutMessage]:
    limits = MessageLimits(timeout_s=60.0)
    return list(process_message(handler, message, attempts=attempts, limits=limits))


def wrong_with(message: InMessage, outputs: list[OutMessage]) -> object:
    """Return what is wrong with the outputs of a request; None if nothing is."""
    answers = [each for each in outputs if each.topic == TOPICS.forced_measurements]
    letters = [each for each in outputs if each.topic == TOPICS.dead_letters]
    reasons = [str(each.headers["reason"]) for each in letters]
    try:
        request = decode_forced_request(message.value)
    except CodecError:
        return None if (answers, reasons) == ([], ["bad_avro"]) else (len(answers), reasons)
    if (answers, reasons) == ([], ["bad_record"]):
        return None
    if len(answers) != 1 or not set(reasons) <= KNOWN:
        return len(answers), reasons
    return wrong_with_answer(request, decode_forced_measurements(answers[0].value), reasons)


def wrong_with_answer(
    request: ForcedRequest, result: ForcedMeasurements, reasons: list[str]
) -> object:
    check_result(result)
    columns = result.measurements
    if len(columns.reason) != len(request.positions.ra) or not set(columns.reason) <= KNOWN | {""}:
        return columns.reason
    return None if reasons in ([], [result.missing_reason]) else (reasons, result.missing_reason)


def test_every_request_has_one_answer_or_a_reason(
    handler: MessageHandler, tmp_path_factory: pytest.TempPathFactory
) -> None:
    attempts = AttemptLog(tmp_path_factory.mktemp("state"), group="fuzz")
    failures = []
    for number in range(n_mutants("forced_request")):
        rng = np.random.default_rng((SEED, number, 4))
        rule, value = avro_mutant(encode_forced_request(good_request()), SEED, number)
        message = received(
            (TOPICS.forced_requests, 0, number), key=hostile_key(rng), value=value,
            headers=hostile_headers(rng),
        )  # fmt: skip
        wrong = wrong_with(message, answer(handler, message, attempts))
        if wrong is not None:
            failures.append((number, rule, wrong))
    assert not failures, failures[:20]
    good = InMessage(
        TOPICS.forced_requests, 0, 0, b"", encode_forced_request(replace(good_request()))
    )
    (only,) = answer(handler, good, attempts)
    fluxes = decode_forced_measurements(only.value).measurements
    assert fluxes.reason == ("", "", "outside")
