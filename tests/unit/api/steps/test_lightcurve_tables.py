import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from astropy.io.votable import parse_single_table

from api.models.lightcurves import LightCurvePoint
from api.steps.lightcurve_tables import to_csv, to_votable


def point(**values: Any) -> LightCurvePoint:
    fields: dict[str, Any] = {
        "time_start": datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC), "exposure_s": 10.0,
        "freq_eff_hz": 150e6, "freq_bw_hz": 2e6, "stokes": "I", "flux_int_jy": 0.1 + 0.2,
        "flux_int_err_jy": 0.01, "flux_peak_jy_beam": 0.3, "flux_peak_err_jy_beam": 0.01,
        "snr": 30.0, "ra": 10.0, "dec": -5.0, "extraction_type": "forced", "quality_flags": 2**40,
        "image_id": "ab" * 32,
    }  # fmt: skip
    return LightCurvePoint(**(fields | values))


def test_a_number_survives_csv_and_an_unknown_one_is_empty() -> None:
    (row,) = csv.DictReader(io.StringIO(to_csv([point(exposure_s=None)])))
    assert float(row["flux_int_jy"]) == 0.1 + 0.2
    assert row["exposure_s"] == ""
    assert row["time_start"] == "2026-11-24T01:02:03Z"


def test_a_number_survives_votable_and_an_unknown_one_is_undefined() -> None:
    text = to_votable([point(), point(exposure_s=None)], 7)
    table = parse_single_table(io.BytesIO(text.encode()))
    assert table.array["flux_int_jy"][0] == 0.1 + 0.2
    assert table.array["quality_flags"][0] == 2**40
    assert table.array["time_start"][0] == "2026-11-24T01:02:03Z"
    assert table.array["exposure_s"].filled(float("nan"))[1] != 10.0


@pytest.mark.parametrize("name", ["flux_int_jy", "freq_eff_hz", "ra", "exposure_s"])
def test_every_quantity_has_its_unit(name: str) -> None:
    table = parse_single_table(io.BytesIO(to_votable([point()], 7).encode()))
    assert str(table.get_field_by_id(name).unit) in {"Jy", "Hz", "deg", "s"}
