"""Forced photometry of an image in memory, read again from Kafka, or missing."""

import uuid
from dataclasses import replace

import numpy as np
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from livetrap.simulator import SimulatorConfig, iterate_images
from runtime.errors import RejectedMessageError
from runtime.kafka import (
    InMessage,
    MessageFetcher,
    OutMessage,
    create_producer,
    produce_and_locate,
)
from runtime.settings import ExtractSettings, IngestSettings, KafkaSettings
from schemas.codec import (
    decode_forced_measurements,
    encode_forced_request,
)
from schemas.messages import (
    ForcedMeasurements,
    ForcedRequest,
    ImageDetections,
    PositionColumns,
    SourceOffset,
)
from schemas.topics import Topics
from services.extract.handlers.forced import ForcedHandler
from services.extract.steps.forced_requests import ForcedPhotometry
from services.extract.steps.image_message import read_message
from services.extract.steps.measurement import ImageMeasurer

CONFIG = SimulatorConfig(images=1, bands_hz=(150e6,))
CLUSTER = "cluster"


class Bench:
    """One image on a topic of its own, and handlers with and without it in memory."""

    def __init__(self, bootstrap: str) -> None:
        self.kafka = KafkaSettings(bootstrap_servers=bootstrap)
        self.topics = Topics(f"forced-{uuid.uuid4().hex[:8]}.")
        admin = AdminClient({"bootstrap.servers": bootstrap})
        created = admin.create_topics([NewTopic(self.topics.images, 2, 1)])
        created[self.topics.images].result(30)
        data = next(iter(iterate_images(CONFIG))).data
        producer = create_producer(self.kafka)
        out = OutMessage(self.topics.images, b"night:150MHz", data, {"stream": "night"})
        self.partition, self.offset = produce_and_locate(producer, out)
        self.message = InMessage(
            self.topics.images, self.partition, self.offset, b"night:150MHz", data,
            {"stream": "night"},
        )  # fmt: skip

    def worker(self) -> tuple[ImageMeasurer, ForcedHandler]:
        measurer = ImageMeasurer(ExtractSettings(), IngestSettings())
        fetcher = MessageFetcher(self.kafka, group="test-again")
        photometry = ForcedPhotometry(measurer, fetcher.fetch, self.topics.images, CLUSTER)
        return measurer, ForcedHandler(photometry, self.topics)

    def record(self) -> ImageDetections:
        return self.worker()[0].measure(read_message(self.message, CLUSTER))


@pytest.fixture(scope="module")
def bench(kafka_bootstrap: str) -> Bench:
    return Bench(kafka_bootstrap)


def request_for(record: ImageDetections) -> ForcedRequest:
    n = len(record.sources)
    positions = PositionColumns(
        np.arange(n + 1),
        ("forced",) * n + ("monitor",),
        np.append(record.sources.ra, 10.0),
        np.append(record.sources.dec, -80.0),
    )
    return ForcedRequest(record.image_id, record.stream, record.source, positions)


def ask(handler: ForcedHandler, request: ForcedRequest) -> ForcedMeasurements:
    message = InMessage("forced", 0, 0, b"", encode_forced_request(request))
    (answer,) = handler.on_request(message)
    assert answer.key == request.stream.encode()
    return decode_forced_measurements(answer.value)


def test_an_image_in_memory_and_one_read_again_give_the_same(bench: Bench) -> None:
    record = bench.record()
    measurer, warm = bench.worker()
    measurer.measure(read_message(bench.message, CLUSTER))
    assert measurer.recent(record.image_id) is not None
    _, cold = bench.worker()
    answers = [ask(handler, request_for(record)) for handler in (warm, cold)]
    for answer in answers:
        assert answer.missing_reason is None
        assert answer.measurements.reason[-1] == "outside"
        assert set(answer.measurements.reason[:-1]) == {""}
        fluxes = answer.measurements.flux_peak_jy_beam[:-1]
        np.testing.assert_allclose(
            fluxes, record.sources.flux_peak_jy_beam, atol=record.rms_jy_beam or 0
        )
    np.testing.assert_array_equal(
        answers[0].measurements.flux_peak_jy_beam, answers[1].measurements.flux_peak_jy_beam
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"offset": 10_000}, "image_gone"),
        ({"offset": -5}, "image_gone"),
        ({"partition": 77}, "image_gone"),
        ({"cluster_id": "another"}, "image_elsewhere"),
    ],
)
def test_a_missing_image_is_answered_with_the_reason(
    bench: Bench, change: dict[str, object], reason: str
) -> None:
    request = request_for(bench.record())
    source = SourceOffset(**({
        name: getattr(request.source, name)
        for name in ("cluster_id", "topic", "partition", "offset")
    } | change))  # type: ignore[arg-type]  # fmt: skip
    answer = ask(bench.worker()[1], replace(request, source=source))
    assert answer.missing_reason == reason
    assert set(answer.measurements.reason) == {reason}
    assert np.isnan(answer.measurements.flux_peak_jy_beam).all()


def test_another_image_at_that_offset_is_not_measured(bench: Bench) -> None:
    request = replace(request_for(bench.record()), image_id="0" * 64)
    assert ask(bench.worker()[1], request).missing_reason == "image_gone"


def test_no_positions_give_an_empty_answer(bench: Bench) -> None:
    request = replace(request_for(bench.record()), positions=PositionColumns())
    answer = ask(bench.worker()[1], request)
    assert (answer.missing_reason, answer.measurements.reason) == (None, ())


def test_strange_bytes_are_refused(bench: Bench) -> None:
    with pytest.raises(RejectedMessageError, match="Avro"):
        bench.worker()[1].on_request(InMessage("forced", 0, 0, b"", b"nonsense"))


def test_without_memory_no_image_is_kept(bench: Bench) -> None:
    settings = ExtractSettings(recent_images_mb=0)
    measurer = ImageMeasurer(settings, IngestSettings())
    record = measurer.measure(read_message(bench.message, CLUSTER))
    assert measurer.recent(record.image_id) is None
