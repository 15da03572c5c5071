"""Where the source finder's time goes, and what each of its features costs."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from benchmarks.extraction.measured import ANALYSIS_SIGMA, CELL_PX, DETECTION_SIGMA
from benchmarks.extraction.peers import prepare_pyse
from benchmarks.extraction.sky import GeneratedField, to_fits
from services.extract.models import FinderParameters
from services.extract.steps.background import measure_background
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.ellipses import to_beam_shape
from services.extract.steps.finder import find_sources
from services.extract.steps.image import open_image
from services.extract.steps.peaks import find_source_peaks

__all__ = ["measure_stages"]

_ROUNDS = 15


def _median_ms(call: Callable[[], object]) -> float:
    """Return the median CPU time of a call, warmed up [ms]."""
    call()
    taken = []
    for _ in range(_ROUNDS):
        started_s = time.process_time()
        call()
        taken.append(1000 * (time.process_time() - started_s))
    return statistics.median(taken)


def measure_stages(field: GeneratedField) -> dict[str, float]:
    """Return the CPU time of each stage, and what it costs to add each feature [ms]."""
    data = to_fits(field)
    full = FinderParameters(
        detection_threshold_sigma=DETECTION_SIGMA,
        analysis_threshold_sigma=ANALYSIS_SIGMA,
        background_cell_px=CELL_PX,
    )
    image = open_image(data, {})
    grids = measure_background(image.pixels, CELL_PX, 1)
    beam = to_beam_shape(image)
    peaks = find_source_peaks(image.pixels, *grids, beam, full)

    def extract(parameters: FinderParameters) -> Callable[[], object]:
        return lambda: extract_sources(open_image(data, {}), parameters)

    stages = {
        "everything": _median_ms(extract(full)),
        "FITS bytes to pixels, beam, WCS, checks": _median_ms(lambda: open_image(data, {})),
        "background and rms": _median_ms(lambda: measure_background(image.pixels, CELL_PX, 1)),
        "peaks and islands": _median_ms(
            lambda: find_source_peaks(image.pixels, *grids, beam, full)
        ),
        "fits, residuals, flags": _median_ms(
            lambda: find_sources(image.pixels, *grids, beam, full, peaks)
        ),
    }
    stages["errors and sky positions"] = stages["everything"] - sum(list(stages.values())[1:])
    features = {
        "contrast between peaks": replace(full, contrast_sigma=0.0),
    }
    for name, without in features.items():
        stages[f"of it {name}"] = stages["everything"] - _median_ms(extract(without))
    for name, other in {
        "more with free shapes": replace(full, force_beam=False),
        "more with a false discovery rate": replace(full, fdr_alpha=0.01),
    }.items():
        stages[name] = _median_ms(extract(other)) - stages["everything"]
    pyse = prepare_pyse(field)
    stages["PySE, from pixels"] = _median_ms(lambda: pyse.find_in_pixels(field.pixels.copy()))
    return stages
