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

    def __init__(self, folder: Path, *, n_bytes_mb: int, **changes: float) -> None:
        settings = ExtractSettings.model_validate({"recent_images_mb": n_bytes_mb, **changes})
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


@pytest.mark.parametrize("kind", ["forced", "monitor", "lookback"])
def test_what_is_asked_for_has_the_fluxes_and_errors_of_the_record(tmp_path: Path, kind: str):
    worker = Worker(
        tmp_path, n_bytes_mb=10, clean_bias_jy_beam=3.0, clean_bias_err_jy_beam=0.2,
        flux_calibration_error=0.1,
    )  # fmt: skip
    n_sources = 0
    for record in worker.measure_all():
        sources = record.sources
        n_sources += len(sources)
        ids, kinds = np.arange(len(sources)), (kind,) * len(sources)
        positions = PositionColumns(ids, kinds, sources.ra, sources.dec)
        request = ForcedRequest(record.image_id, record.stream, record.source, positions)
        found = worker.photometry.measure(request).measurements
        difference = found.flux_peak_jy_beam - sources.flux_peak_jy_beam
        assert (np.abs(difference) < 2 * sources.rms_local_jy_beam).all()
        np.testing.assert_allclose(
            found.flux_peak_err_jy_beam, sources.flux_peak_err_jy_beam, rtol=0.05
        )
        assert (found.flux_peak_jy_beam > 3).all()
    assert n_sources > 0


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
