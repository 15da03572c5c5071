"""A record of detections-v1 that would corrupt the catalogue is refused, by name."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import RejectedMessageError
from schemas.messages import ImageDetections, RmsGrid, SourceOffset
from services.associate.steps.records import check_record
from tests.support.records import BEAM_MAJOR_DEG, image, rejected

GOOD = replace(
    image(0, [(123.0, 10.0), (124.0, 11.0)]), source=SourceOffset("kafka", "images-v1", 0, 7)
)
NAN, INF = float("nan"), float("inf")


def of_metadata(**changes: Any) -> ImageDetections:
    assert GOOD.metadata is not None
    return replace(GOOD, metadata=replace(GOOD.metadata, **changes))


def of_source(name: str, value: float) -> ImageDetections:
    column = getattr(GOOD.sources, name).copy()
    column[1] = value
    return replace(GOOD, sources=replace(GOOD.sources, **{name: column}))


def of_grid(value: float, cell_px: int = 450) -> ImageDetections:
    return replace(GOOD, rms_grid=RmsGrid(cell_px, np.array([[1e-3, value]])))


def test_a_good_record_passes() -> None:
    check_record(GOOD)
    check_record(rejected(GOOD))
    check_record(of_source("ra_err_deg", NAN))
    check_record(of_source("flux_int_err_jy", 0.0))
    check_record(of_grid(NAN))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time_start", datetime(1, 1, 1, tzinfo=UTC)),
        ("time_start", datetime(9999, 12, 31, tzinfo=UTC)),
        ("time_start", datetime(2026, 1, 1)),  # noqa: DTZ001  (what is refused)
        ("exposure_s", -1.0), ("exposure_s", 1e308), ("exposure_s", NAN),
        ("freq_eff_hz", 0.0), ("freq_eff_hz", INF),
        ("freq_eff_hz", 90.0), ("freq_eff_hz", 1e308), ("freq_bw_hz", -1.0),
        ("beam_major_deg", 0.0), ("beam_minor_deg", -1.0), ("beam_minor_deg", 1.0),
        ("beam_major_deg", 1e308), ("beam_pa_deg", NAN),
        ("field_ra", -361.0), ("field_ra", 1e308), ("field_dec", 91.0), ("field_radius_deg", -1.0),
        ("field_radius_deg", 181.0), ("width_px", 0), ("height_px", -1), ("width_px", 1 << 31),
        ("stokes", "a\x00b"), ("telescope", "\x00"), ("telescope", "x" * 1000),
        ("wcs_header", ""), ("wcs_header", "\x00"),
    ],
)  # fmt: skip
def test_impossible_metadata_are_refused(field: str, value: Any) -> None:
    with pytest.raises(RejectedMessageError, match=field) as refused:
        check_record(of_metadata(**{field: value}))
    assert refused.value.reason_code == "bad_record"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((name, value) for name in ("ra", "dec", "snr") for value in (NAN, INF, 1e308)),
        ("ra", -361.0), ("ra", 721.0), ("dec", -90.1),
        *((name, value) for name in ("flux_peak_jy_beam", "flux_int_jy", "rms_local_jy_beam",
          "major_arcsec", "pa_deg") for value in (INF, -INF, 1e308)),
        *((name, value) for name in ("flux_peak_err_jy_beam", "flux_int_err_jy")
          for value in (INF, -1.0, 5e-324, 1e308)),
        *((name, value) for name in ("ra_err_deg", "dec_err_deg")
          for value in (-INF, -1.0, 5e-324, 1e308)),
        ("quality_flags", -1), ("quality_flags", 1 << 31),
    ],
)  # fmt: skip
def test_an_impossible_source_is_refused(column: str, value: float) -> None:
    with pytest.raises(RejectedMessageError, match=f"{column} of a source"):
        check_record(of_source(column, value))


@pytest.mark.parametrize("column", ["ra_err_deg", "dec_err_deg"])
def test_a_position_without_an_error_is_taken(column: str) -> None:
    check_record(of_source(column, INF))


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (replace(GOOD, stream="UPPER"), "stream"),
        (replace(GOOD, stream=""), "stream"),
        (replace(GOOD, stream="a\x00b"), "stream"),
        (replace(GOOD, image_id="f" * 63), "image_id"),
        (replace(GOOD, source=SourceOffset("kafka", "a\x00", 0, 0)), "source"),
        (replace(GOOD, source=SourceOffset("kafka", "images-v1", 0, -1)), "source"),
        (replace(GOOD, reasons=("a\x00b",)), "reasons"),
        (replace(GOOD, verdict="perhaps"), "verdict"),
        (replace(GOOD, metadata=None), "metadata"),
        (replace(GOOD, rms_grid=None), "rms grid"),
        (replace(GOOD, rms_jy_beam=0.0), "rms_jy_beam"),
        (replace(GOOD, rms_jy_beam=NAN), "rms_jy_beam"),
        (replace(GOOD, detection_threshold_sigma=INF), "detection_threshold_sigma"),
        (replace(GOOD, margin_px=-1), "margin_px"),
        (replace(GOOD, verdict="rejected"), "has no sources"),
        (of_grid(-1.0), "rms of the grid"),
        (of_grid(INF), "rms of the grid"),
        (of_grid(1e-3, cell_px=0), "rms grid"),
    ],
)
def test_an_impossible_record_is_refused(record: ImageDetections, what: str) -> None:
    with pytest.raises(RejectedMessageError, match=what):
        check_record(record)


@given(
    ra=st.floats(0, 359.9),
    dec=st.sampled_from([-90.0, -45.0, 0.0, 89.9, 90.0]),
    n=st.integers(600, 2000),
    spread=st.floats(0, 0.5),
)
def test_more_sources_in_a_beam_than_an_image_separates_are_refused(
    ra: float, dec: float, n: int, spread: float
) -> None:
    beam_deg = BEAM_MAJOR_DEG
    line = np.linspace(0, spread * beam_deg, n)
    places = [(ra, max(-90.0, dec - away) if dec > -90 else dec + away) for away in line]
    with pytest.raises(RejectedMessageError, match="sources within a beam"):
        check_record(image(0, places))


def test_crowded_fields_are_taken() -> None:
    beam_deg = BEAM_MAJOR_DEG
    places = [(0.4 * i * beam_deg, 0.4 * j * beam_deg) for i in range(40) for j in range(40)]
    check_record(image(0, places))
