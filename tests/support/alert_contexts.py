"""Contexts of events for the tests of packets."""

from datetime import timedelta
from typing import Any

import numpy as np

from schemas.messages import SourceEvent
from services.alert.models import (
    BandFlux,
    CatalogueMatch,
    EventContext,
    FirstAlert,
    History,
    LookedImage,
    Point,
    SpectralIndex,
)
from tests.support.records import wcs_header
from tests.support.vtp_events import START

__all__ = ["first_alert", "full_context", "looked_image", "point_at"]


def point_at(step: float = 0.0, freq_hz: float = 140e6, **changes: Any) -> Point:
    """Return a measurement some 10 s steps after the event of `source_event`."""
    values: dict[str, Any] = {
        "image_key": 1, "image_id": "ab" * 32, "band_id": 1,
        "time_start": START + timedelta(seconds=10 * step), "exposure_s": 8.0,
        "freq_eff_hz": freq_hz, "freq_bw_hz": 2e6, "stokes": "I", "extraction_type": "blind",
        "flux_peak_jy_beam": 0.5, "flux_peak_err_jy_beam": 0.02, "flux_int_jy": 0.55,
        "flux_int_err_jy": 0.03, "snr": 25.0, "rms_local_jy_beam": 0.02, "threshold_sigma": 8.0,
    }  # fmt: skip
    return Point(**(values | changes))


def first_alert(**changes: Any) -> FirstAlert:
    """Return the first alert of a family, some minutes before the event of `source_event`."""
    values: dict[str, Any] = {
        "time_start": START - timedelta(minutes=5), "freq_eff_hz": 140e6, "stokes": "I",
        "flux_jy_beam": 0.25, "flux_err_jy_beam": 0.02,
    }  # fmt: skip
    return FirstAlert(**(values | changes))


def full_context(n_bands: int = 4) -> EventContext:
    """Return a context in which nothing is unknown."""
    last = point_at(-1, extraction_type="forced", flux_peak_jy_beam=0.02, snr=1.0)
    bands = [
        BandFlux(140e6 + number * 1e7, 2e6, "I", point_at(0, 140e6 + number * 1e7), 0.16,
                 is_headline=number == 0)
        for number in range(n_bands)
    ]  # fmt: skip
    return EventContext(
        bands=tuple(bands),
        spectral_index=SpectralIndex(-0.7, 0.1),
        history=History(
            n_looks=12, n_detections=1, last=last, mean_jy_beam=0.021, mean_err_jy_beam=0.006,
            time_last_non_detection=last.time_start,
            time_first_detection=START - timedelta(days=3),
        ),
        previous=(last,),
        matches=(CatalogueMatch("nvss", 123.401, 45.601, 4.5, "NVSS J081336+453603", 0.0123),),
        field_distance_deg=1.25,
        n_retracted_here=0,
        false_alarms_per_day=0.02,
    )  # fmt: skip


def looked_image(event: SourceEvent, key: int, step: float = 0.0, **changes: Any) -> LookedImage:
    """Return an image around an event, some 10 s steps after it; number 1 is its own."""
    values: dict[str, Any] = {
        "image_key": key, "image_id": event.image_id if key == 1 else f"{key:064x}",
        "band_id": 1, "time_start": event.time_start + timedelta(seconds=10 * step),
        "exposure_s": event.exposure_s, "freq_eff_hz": event.freq_eff_hz,
        "freq_bw_hz": event.freq_bw_hz, "stokes": event.stokes,
        "wcs_header": wcs_header(event.ra, event.dec, 200, 0.02), "shape": (200, 200),
        "margin_px": 10, "threshold_sigma": 8.0, "rms_grid": np.full((2, 2), 0.02),
        "field_ra": event.ra, "field_dec": event.dec,
    }  # fmt: skip
    return LookedImage(**(values | changes))
