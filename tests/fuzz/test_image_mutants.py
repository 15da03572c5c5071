"""Whatever comes on images-v1, one record and a fitting reason come out, and nothing breaks."""

from datetime import UTC
from pathlib import Path

import pytest

from runtime.attempts import AttemptLog
from runtime.in_flight import MessageLimits
from runtime.kafka import InMessage
from runtime.process import MessageHandler, process_message
from runtime.settings import ExtractSettings, IngestSettings
from schemas.codec import decode_image_detections
from schemas.messages import ImageDetections
from schemas.reasons import ImageReason
from schemas.topics import Topics
from services.associate.steps.records import check_record
from services.extract.handlers.images import ImageHandler
from services.extract.steps.measurement import ImageMeasurer
from tests.fuzz.corpus import CASES, Case
from tests.support.fuzzing import SEED, n_mutants
from tests.support.kafka_messages import received
from tests.support.mutants import good_image, image_mutant

TOPICS = Topics("")


@pytest.fixture(scope="module")
def handler() -> MessageHandler:
    measurer = ImageMeasurer(ExtractSettings(detection_threshold_sigma=6), IngestSettings())
    images = ImageHandler(measurer, TOPICS, "cluster")
    return MessageHandler(images.on_image, images.on_rejected, measurer.reset)


def extract(
    handler: MessageHandler, message: InMessage, attempts: AttemptLog
) -> tuple[ImageDetections, str]:
    """Return the one record of a message, and the reason of its dead letter."""
    outputs = process_message(
        handler, message, attempts=attempts, limits=MessageLimits(timeout_s=60.0)
    )
    (record,) = [each for each in outputs if each.topic == TOPICS.detections]
    letters = [each for each in outputs if each.topic == TOPICS.dead_letters]
    assert len(letters) == len(outputs) - 1 <= 1
    return decode_image_detections(record.value), str(
        letters[0].headers["reason"]
    ) if letters else ""


def test_the_unharmed_image_is_measured(
    handler: MessageHandler, tmp_path_factory: pytest.TempPathFactory
) -> None:
    attempts = AttemptLog(tmp_path_factory.mktemp("state"), group="fuzz")
    message = InMessage("images-v1", 0, 0, b"fuzz:150", good_image())
    record, reason = extract(handler, message, attempts)
    assert reason == ""
    assert len(record.sources) == 3


def test_every_mutant_has_one_record_and_a_reason(
    handler: MessageHandler,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    attempts = AttemptLog(tmp_path_factory.mktemp("state"), group="fuzz")
    failures = []
    for number in range(n_mutants("images")):
        rule, message = image_mutant(SEED, number)
        record, reason = extract(handler, message, attempts)
        if reason:
            is_known = reason in set(ImageReason)
            fits = record.verdict == "rejected" and record.reasons == (reason,)
            if not (is_known and fits):
                failures.append((number, rule, reason, record.reason_text))
            continue
        check_record(record)
        assert record.metadata is not None
        if not 1930 <= record.metadata.time_start.astimezone(UTC).year <= 2027:
            failures.append((number, rule, "year", str(record.metadata.time_start)))
    assert not failures, failures[:20]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_every_case_of_the_corpus_has_its_reason(
    case: Case, handler: MessageHandler, tmp_path: Path
) -> None:
    _, value, key, headers, expected = case
    message = received(("images-v1", 0, 0), key=key, value=value, headers=headers)
    record, reason = extract(handler, message, AttemptLog(tmp_path, group="fuzz"))
    assert reason == expected, record.reason_text
    if not expected:
        check_record(record)
        assert len(record.sources) == 3
