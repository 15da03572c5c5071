"""A look back measures an image whose pixels are kept, and extracts none a second time."""

from pathlib import Path

import numpy as np
import pytest

from livetrap.simulator import SimulatorConfig, iterate_images
from runtime.kafka import InMessage
from runtime.settings import ExtractSettings, IngestSettings
from schemas.messages import ForcedRequest, ImageDetections, PositionColumns
from services.extract.steps.forced_requests import ForcedPhotometry, check_request
from services.extract.steps.image_message import read_message
from services.extract.steps.measurement import ImageMeasurer

CLUSTER = "cluster"
IMAGES = list(iterate_images(SimulatorConfig(images=6, size=128, bands_hz=(150e6,), seed=5)))


class Worker:
    """An extractor that counts what it reads again."""

    def __init__(self, folder: Path, *, n_bytes_mb: int) -> None:
        settings = ExtractSettings(recent_images_mb=n_bytes_mb)
        self.measurer = ImageMeasurer(settings, IngestSettings(), disk=folder)
        self.n_read = 0
        self.photometry = ForcedPhotometry(self.measurer, self._fetch, "images-v1", CLUSTER)

    def _fetch(self, _topic: str, _partition: int, _offset: int) -> InMessage | None:
        self.n_read += 1
        return None

    def measure_all(self) -> list[ImageDetections]:
        return [
            self.measurer.measure(
                read_message(
                    InMessage("images-v1", 0, number, b"", each.data, {"stream": "night"}), CLUSTER
                )
            )
            for number, each in enumerate(IMAGES)
        ]


def request_for(record: ImageDetections, kind: str) -> ForcedRequest:
    metadata = record.metadata
    assert metadata is not None
    place = np.array([metadata.field_ra]), np.array([metadata.field_dec])
    positions = PositionColumns(np.array([7]), (kind,), *place)
    return ForcedRequest(record.image_id, record.stream, record.source, positions)


def test_a_kept_image_is_measured(tmp_path: Path):
    worker = Worker(tmp_path, n_bytes_mb=10)
    for record in worker.measure_all():
        request = request_for(record, "lookback")
        check_request(request)
        answer = worker.photometry.measure(request)
        assert answer.measurements.extraction_type == ("lookback",)
        assert answer.measurements.reason == ("",)
        assert abs(answer.measurements.flux_peak_jy_beam[0]) < 1
    assert worker.n_read == 0


@pytest.mark.parametrize(("kind", "n_read", "reason"), [
    ("lookback", 0, "not_kept"), ("forced", 6, "image_gone"),
])  # fmt: skip
def test_an_image_that_is_not_kept_is_read_again_for_others_only(
    tmp_path: Path, kind: str, n_read: int, reason: str
):
    worker = Worker(tmp_path, n_bytes_mb=0)
    answers = [worker.photometry.measure(request_for(each, kind)) for each in worker.measure_all()]
    assert {each.missing_reason for each in answers} == {reason}
    assert worker.n_read == n_read


def test_an_image_that_a_restarted_worker_never_had_is_read_again(tmp_path: Path):
    records = Worker(tmp_path, n_bytes_mb=10).measure_all()
    worker = Worker(tmp_path, n_bytes_mb=10)
    (answer,) = [worker.photometry.measure(request_for(each, "lookback")) for each in records[:1]]
    assert answer.missing_reason == "image_gone"
    assert worker.n_read == 1
