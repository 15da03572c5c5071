"""Whatever fails in the extractor: the image is recorded as rejected, and the next one follows."""

import gzip
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pytest
import structlog

from runtime.attempts import AttemptLog
from runtime.errors import FatalError, TransientError
from runtime.in_flight import MessageLimits
from runtime.kafka import InMessage, OutMessage
from runtime.metrics import DEAD_LETTERS
from runtime.process import MessageHandler, process_message
from runtime.settings import ExtractSettings, IngestSettings
from schemas.codec import (
    decode_forced_measurements,
    decode_image_detections,
    encode_forced_request,
)
from schemas.messages import ForcedRequest, PositionColumns, SourceOffset
from schemas.topics import Topics
from services.extract.handlers.forced import ForcedHandler
from services.extract.handlers.images import ImageHandler
from services.extract.steps.forced_requests import ForcedPhotometry
from services.extract.steps.image_message import read_message
from services.extract.steps.measurement import ImageMeasurer
from tests.support.defects import DEFECTS, Breaking, named
from tests.support.mutants import good_image

TOPICS = Topics("")
IMAGES = "services.extract.handlers.images"
STEPS = "services.extract.steps"
IMAGE_STEPS = [
    *(f"{IMAGES}.{name}" for name in ("read_message", "invalid_headers")),
    f"{IMAGES}.encode_image_detections", f"{IMAGES}._report",
    *(f"{STEPS}.measurement.{name}" for name in (
        "check_size", "check_sha256", "open_image", "check_exposure", "extract_sources",
        "find_negative_peaks", "to_record",
        "QualityControl.check_image", "QualityControl.check_count", "QualityControl.check_rms",
        "RecentImages.put",
    )),
    *(f"{STEPS}.image.{name}" for name in (
        "read_stream_header", "open_fits", "to_wcs_header", "read_metadata", "read_pixels",
        "HeaderMetadata.jy_beam_factor", "check_pixels",
    )),
    f"{STEPS}.image_digest.digest_image", f"{STEPS}.image_message.to_stream_name",
    f"{STEPS}.records.to_image_metadata",
]  # fmt: skip
FORCED = "services.extract.handlers.forced"
FORCED_STEPS = [
    f"{FORCED}.decode_forced_request", f"{FORCED}.check_request",
    f"{FORCED}.encode_forced_measurements",
    f"{STEPS}.forced_requests.measure_positions", f"{STEPS}.images_again.read_message",
    f"{STEPS}.forced.to_beam_shape", f"{STEPS}.forced.measure_forced",
]  # fmt: skip
IMAGE = InMessage(TOPICS.images, 0, 7, b"fuzz:150", good_image())
# The steps of an image whose header is read as a whole, and such an image.
OF_WHOLE_HEADERS = ("open_fits", "to_wcs_header", "read_metadata")
PACKED = InMessage(TOPICS.images, 0, 7, b"fuzz:150", gzip.compress(good_image(), mtime=0))


class Fetcher:
    """Reads the image again, when the broker answers."""

    def __init__(self) -> None:
        self.breaks = Breaking(ValueError(), times=0)

    def fetch(self, _topic: str, _partition: int, _offset: int) -> InMessage:
        self.breaks()
        return IMAGE


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture(scope="module")
def measurer() -> ImageMeasurer:
    return ImageMeasurer(ExtractSettings(detection_threshold_sigma=6), IngestSettings())


@pytest.fixture(scope="module")
def images(measurer: ImageMeasurer) -> MessageHandler:
    handler = ImageHandler(measurer, TOPICS, "cluster")
    return MessageHandler(handler.on_image, handler.on_rejected, measurer.reset)


@pytest.fixture
def fetcher() -> Fetcher:
    return Fetcher()


@pytest.fixture
def requests(measurer: ImageMeasurer, fetcher: Fetcher) -> MessageHandler:
    measurer.reset()  # so that the image must be read again
    photometry = ForcedPhotometry(measurer, fetcher.fetch, TOPICS.images, "cluster")
    handler = ForcedHandler(photometry, TOPICS)
    return MessageHandler(handler.on_request, handler.on_rejected, measurer.reset)


def request() -> InMessage:
    value = ForcedRequest(
        read_message(IMAGE, "cluster").digest.image_id, "fuzz",
        SourceOffset("cluster", TOPICS.images, 0, 7),
        PositionColumns(np.array([3]), ("forced",), np.array([10.0]), np.array([20.0])),
    )  # fmt: skip
    return InMessage(TOPICS.forced_requests, 0, 1, b"fuzz:150", encode_forced_request(value))


def break_step(
    monkeypatch: pytest.MonkeyPatch, target: str, error: Exception, *, times: int
) -> Breaking:
    """Let a function raise so many times, then do what it does."""
    breaks = Breaking(error, times=times)
    place, _, name = target.rpartition(".")
    original = resolve_name(target)

    def broken(*arguments: Any, **keywords: Any) -> Any:
        breaks()
        return original(*arguments, **keywords)

    monkeypatch.setattr(resolve_name(place), name, broken)
    return breaks


def run(handler: MessageHandler, message: InMessage, folder: Path) -> dict[str, OutMessage]:
    log = AttemptLog(folder, group="test")
    try:
        outputs = process_message(handler, message, attempts=log, limits=MessageLimits(60.0))
    finally:
        assert log.n_ended(message) == 0
        log.close()
    assert len({each.topic for each in outputs}) == len(outputs)
    return {each.topic: each for each in outputs}


@pytest.mark.parametrize(
    ("step", "error"),
    [(step, DEFECTS[number % len(DEFECTS)]) for number, step in enumerate(IMAGE_STEPS)]
    + [(f"{STEPS}.image.read_pixels", error) for error in DEFECTS],
    ids=lambda each: named(each) if isinstance(each, Exception) else each.rpartition("steps.")[2],
)
def test_an_image_at_which_any_step_fails_twice_is_recorded(
    step: str,
    error: Exception,
    images: MessageHandler,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    logs: list[MutableMapping[str, Any]],
) -> None:
    counter = DEAD_LETTERS.labels("extract", "internal_error")._value
    before = counter.get()
    image = PACKED if step.endswith(OF_WHOLE_HEADERS) else IMAGE
    breaks = break_step(monkeypatch, step, error, times=2)
    outputs = run(images, image, tmp_path)
    assert breaks.times == 0
    record = decode_image_detections(outputs[TOPICS.detections].value)
    assert (record.verdict, record.reasons) == ("rejected", ("internal_error",))
    assert record.source == SourceOffset("cluster", IMAGE.topic, 0, 7)
    letter = outputs[TOPICS.dead_letters]
    assert letter.value == image.value
    assert letter.headers["reason"] == "internal_error"
    assert named(error) in str(letter.headers["error"])
    assert "defects.py" in str(letter.headers["error"])  # where it was raised
    assert counter.get() == before + 1
    (failed,) = [each for each in logs if each["event"] == "message_failed"]
    assert failed["exc_info"]
    after = decode_image_detections(run(images, image, tmp_path)[TOPICS.detections].value)
    assert (after.verdict, len(after.sources)) == ("accepted", 3)


@pytest.mark.parametrize("step", ["to_rejection_record", "read_message"])
def test_a_rejection_that_fails_is_made_at_the_second_try(
    step: str, images: MessageHandler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first two of the second are those of the image itself.
    times = {"to_rejection_record": 1, "read_message": 3}[step]
    breaks = break_step(monkeypatch, f"{IMAGES}.{step}", KeyError("a"), times=times)
    damaged = InMessage(TOPICS.images, 0, 8, b"fuzz:150", b"no image")
    record = decode_image_detections(run(images, damaged, tmp_path)[TOPICS.detections].value)
    assert breaks.times == 0
    assert record.verdict == "rejected"


def test_an_image_whose_telescope_cannot_be_read_is_recorded(
    images: MessageHandler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("image.read_stream_header", "records.parse_fits"):
        break_step(monkeypatch, f"{STEPS}.{module}", ZeroDivisionError(), times=9)
    nameless = InMessage(TOPICS.images, 0, 8, b"", IMAGE.value)
    record = decode_image_detections(run(images, nameless, tmp_path)[TOPICS.detections].value)
    assert (record.stream, record.reasons) == ("default", ("internal_error",))


@pytest.mark.parametrize("error", [TransientError("away"), FatalError("broken")], ids=named)
@pytest.mark.parametrize("step", [f"{STEPS}.measurement.open_image", f"{IMAGES}.read_message"])
def test_trouble_of_the_world_is_no_rejection(
    step: str, error: Exception, images: MessageHandler, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    break_step(monkeypatch, step, error, times=1)
    with pytest.raises(type(error), match=str(error)):
        run(images, IMAGE, tmp_path)
    assert TOPICS.dead_letters not in run(images, IMAGE, tmp_path)


@pytest.mark.parametrize(
    ("step", "error"),
    [(step, error) for step in FORCED_STEPS for error in DEFECTS[:3]],
    ids=lambda each: named(each) if isinstance(each, Exception) else each.rpartition(".")[2],
)
def test_a_request_at_which_any_step_fails_twice_is_answered(
    step: str, error: Exception, requests: MessageHandler, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    breaks = break_step(monkeypatch, step, error, times=2)
    outputs = run(requests, request(), tmp_path)
    assert breaks.times == 0
    assert outputs[TOPICS.dead_letters].headers["reason"] == "internal_error"
    answer = decode_forced_measurements(outputs[TOPICS.forced_measurements].value)
    assert answer.missing_reason == "internal_error"
    after = run(requests, request(), tmp_path)
    assert (
        decode_forced_measurements(after[TOPICS.forced_measurements].value).missing_reason is None
    )


def test_a_request_waits_while_kafka_does_not_answer(
    requests: MessageHandler, fetcher: Fetcher, tmp_path: Path
) -> None:
    fetcher.breaks = Breaking(TransientError("Kafka does not answer"))
    with pytest.raises(TransientError, match="does not answer"):
        run(requests, request(), tmp_path)
    assert TOPICS.dead_letters not in run(requests, request(), tmp_path)
