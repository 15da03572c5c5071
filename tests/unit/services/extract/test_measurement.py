"""A message of images-v1 in, a record of detections-v1 out; without a broker."""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from livetrap.simulator import SimulatorConfig, iterate_images
from runtime.kafka import InMessage
from runtime.settings import ExtractSettings, IngestSettings
from schemas.codec import decode_image_detections, encode_image_detections
from schemas.identity import ImageDigest, digest_image
from schemas.reasons import ImageReason
from schemas.topics import Topics
from services.extract import metrics
from services.extract.errors import RejectedImageError
from services.extract.handlers.images import ImageHandler
from services.extract.models import Extraction, ReceivedImage
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.image_message import read_message
from services.extract.steps.measurement import ImageMeasurer
from services.extract.steps.records import to_rejection_record
from tests.support.fits_images import several_images

TOPICS = Topics()


@pytest.fixture(scope="module")
def message() -> InMessage:
    config = SimulatorConfig(images=1, bands_hz=(150e6,), size=256)
    data = next(iter(iterate_images(config))).data
    return InMessage("images-v1", 3, 17, b"night:150MHz", data, {"t-sent": "2026-01-01T00:00:00Z"})


@pytest.fixture
def received(message: InMessage) -> ReceivedImage:
    return read_message(message, "cluster")


def measurer(**settings: Any) -> ImageMeasurer:
    limits = {
        name: settings.pop(name)
        for name in ("max_image_bytes", "max_future_s")
        if name in settings
    }
    return ImageMeasurer(ExtractSettings(**settings), IngestSettings(**limits))


def test_the_record_has_the_sources_and_the_settings_they_were_found_with(
    received: ReceivedImage,
) -> None:
    record = measurer(detection_threshold_sigma=6, margin_px=12, background_cell_px=64).measure(
        received
    )
    assert (record.verdict, record.reasons, record.stream) == ("accepted", (), "night")
    assert (record.image_id, record.source) == (received.digest.image_id, received.source)
    assert (record.detection_threshold_sigma, record.margin_px) == (6, 12)
    assert record.rms_grid is not None
    assert record.rms_grid.cell_px == 64
    assert record.rms_jy_beam == pytest.approx(np.median(record.rms_grid.rms_jy_beam))
    assert len(record.sources) > 0
    assert record.metadata is not None
    assert (record.metadata.width_px, record.metadata.height_px) == (256, 256)
    assert record.times.time_sent == received.time_sent
    assert record.times.time_extracted is not None


def test_a_threshold_that_nothing_passes_is_finite_in_the_record(received: ReceivedImage) -> None:
    record = measurer(fdr_alpha=1e-300).measure(received)
    assert record.detection_threshold_sigma is not None
    assert np.isfinite(record.detection_threshold_sigma)


def test_a_measured_image_stays_in_memory_under_its_identity(received: ReceivedImage) -> None:
    keeper = measurer()
    record = keeper.measure(received)
    recent = keeper.recent(record.image_id)
    assert recent is not None
    assert recent.extraction.sources is record.sources
    assert keeper.recent("0" * 64) is None


def test_no_memory_keeps_no_image(received: ReceivedImage) -> None:
    keeper = measurer(recent_images_mb=0)
    assert keeper.recent(keeper.measure(received).image_id) is None


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"max_image_bytes": 3000}, "too_large"),
        ({"max_beam_axis_ratio": 1.0}, "elongated_beam"),
        ({"max_sources": 1}, "too_many_sources"),
        ({"rms_max_jy_beam": 1e-30}, "rms_too_high"),
    ],
)
def test_limits_are_those_of_the_settings(
    received: ReceivedImage, settings: dict[str, Any], code: str
) -> None:
    with pytest.raises(RejectedImageError, match=r"limit|above") as error:
        measurer(**settings).measure(received)
    assert error.value.reason_code == code


def test_an_image_that_its_header_rejects_is_not_searched(
    received: ReceivedImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("services.extract.steps.measurement.extract_sources", refuse)
    with pytest.raises(RejectedImageError, match="max_beam_axis_ratio"):
        measurer(max_beam_axis_ratio=1.0).measure(received)


def test_peaks_of_the_negated_image_are_counted_unless_switched_off(
    received: ReceivedImage,
) -> None:
    before = metrics.NEGATIVE_PEAKS._value.get()
    record = measurer(detection_threshold_sigma=3).measure(received)
    found = record.negative_peaks
    assert found is not None
    assert found.n_peaks == metrics.NEGATIVE_PEAKS._value.get() - before > 0
    read = decode_image_detections(encode_image_detections(record)).negative_peaks
    assert read is not None
    assert (read.n_peaks, read.searched_deg2) == (found.n_peaks, found.searched_deg2)
    assert read.snr == pytest.approx(found.snr, rel=1e-6)
    off = measurer(count_negative=False, detection_threshold_sigma=3).measure(received)
    assert off.negative_peaks is None
    assert decode_image_detections(encode_image_detections(off)).negative_peaks is None


def test_a_rejection_record_has_the_reason_and_no_measurements(received: ReceivedImage) -> None:
    record = to_rejection_record(
        received, RejectedImageError(ImageReason.NO_BEAM, "no restoring beam")
    )
    assert (record.verdict, record.reasons) == ("rejected", ("no_beam",))
    assert record.reason_text == "no restoring beam"
    assert (record.image_id, record.source) == (received.digest.image_id, received.source)
    assert (record.metadata, record.rms_grid, record.margin_px) == (None, None, None)
    assert len(record.sources) == 0


def test_an_image_becomes_one_message_keyed_by_its_stream(message: InMessage) -> None:
    handler = ImageHandler(measurer(), TOPICS, "cluster")
    (out,) = handler.on_image(message)
    assert (out.topic, out.key) == (TOPICS.detections, b"night")
    assert decode_image_detections(out.value).verdict == "accepted"


def test_a_rejected_image_becomes_a_dead_letter_and_a_record(message: InMessage) -> None:
    handler = ImageHandler(measurer(), TOPICS, "cluster")
    letter, out = handler.on_rejected(
        message, RejectedImageError(ImageReason.FLAT, "all pixels equal")
    )
    assert (letter.topic, letter.value) == (TOPICS.dead_letters, message.value)
    assert (letter.headers["reason"], letter.headers["service"]) == ("flat", "extract")
    assert decode_image_detections(out.value).reasons == ("flat",)


def test_a_file_with_several_images_becomes_an_image_each(message: InMessage) -> None:
    handler = ImageHandler(measurer(), TOPICS, "cluster")
    *planes, note = handler.on_image(replace(message, value=several_images()))
    said = decode_image_detections(note.value)
    assert said.reasons == ("split_into_planes",)
    assert "passed over: SPECTRUM, BAND1_RMS, AGAIN" in str(said.reason_text)
    frequencies = []
    for plane in planes:
        assert plane.topic == TOPICS.images
        (out,) = handler.on_image(
            replace(message, value=plane.value, key=plane.key, headers=plane.headers)
        )
        record = decode_image_detections(out.value)
        assert record.metadata is not None
        frequencies.append(record.metadata.freq_eff_hz)
    assert frequencies == [1.4e9, 1.5e9]


def test_an_image_names_what_was_passed_over_beside_it(message: InMessage) -> None:
    handler = ImageHandler(measurer(), TOPICS, "cluster")
    mask = several_images().replace(b"1500000000.0", b"1400000000.0")
    (out,) = handler.on_image(replace(message, value=mask))
    assert {"passed_over SPECTRUM", "passed_over BAND1_RMS", "passed_over BAND2"} < set(
        decode_image_detections(out.value).warnings
    )


def test_an_image_is_hashed_once_whether_it_is_rejected_or_not(
    message: InMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[bytes] = []

    def count(data: bytes, cards: Mapping[str, str]) -> ImageDigest:
        hashed.append(data)
        return digest_image(data, cards)

    monkeypatch.setattr("services.extract.steps.image_digest.digest_image", count)
    broken = replace(message, value=message.value[:2880])
    handler = ImageHandler(measurer(), TOPICS, "cluster")
    with pytest.raises(RejectedImageError) as caught:
        handler.on_image(broken)
    _, out = handler.on_rejected(broken, caught.value)
    assert decode_image_detections(out.value).image_id == digest_image(broken.value, {}).image_id
    handler.on_image(message)
    # A message that a restarted process rejects was not read by it before.
    handler.on_rejected(broken, caught.value)
    assert hashed == [broken.value, message.value, broken.value]


def test_an_image_is_measured_while_it_is_hashed(
    message: InMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_measured = threading.Event()

    def wait(data: bytes, cards: Mapping[str, str]) -> ImageDigest:
        assert is_measured.wait(60)
        return digest_image(data, cards)

    def extract(*arguments: Any) -> Extraction:
        extraction = extract_sources(*arguments)
        is_measured.set()
        return extraction

    monkeypatch.setattr("services.extract.steps.image_digest.digest_image", wait)
    monkeypatch.setattr("services.extract.steps.measurement.extract_sources", extract)
    (out,) = ImageHandler(measurer(), TOPICS, "cluster").on_image(message)
    assert decode_image_detections(out.value).image_id == digest_image(message.value, {}).image_id


def test_what_is_found_in_bytes_that_were_damaged_on_the_way_is_their_fault(
    message: InMessage,
) -> None:
    headers = {"sha256": hashlib.sha256(message.value).hexdigest()}
    handler = ImageHandler(measurer(), TOPICS, "cluster")
    damaged = replace(message, value=message.value[:2880], headers=headers)
    with pytest.raises(RejectedImageError) as caught:
        handler.on_image(damaged)
    assert caught.value.reason_code == "checksum_mismatch"
