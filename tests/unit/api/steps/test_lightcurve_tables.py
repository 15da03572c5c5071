"""A light curve as VOTable, CSV and JSON has the points, units and types of the database."""

import io
import math
import re
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest
from astropy.io.votable import parse, parse_single_table

from api.models.lightcurves import LightCurvePoint
from api.steps.lightcurve_tables import (
    _COLUMNS,
    CsvTable,
    LightCurveTable,
    VoTable,
    read_last_point,
    to_page,
)

NAN, INF = float("nan"), float("inf")


def point(**values: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "time_start": datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC), "exposure_s": 10.0,
        "freq_eff_hz": 150e6, "freq_bw_hz": 2e6, "stokes": "I", "flux_int_jy": 0.1 + 0.2,
        "flux_int_err_jy": 0.01, "flux_peak_jy_beam": 0.3, "flux_peak_err_jy_beam": 0.01,
        "snr": 30.0, "ra": 10.0, "dec": -5.0, "extraction_type": "forced", "quality_flags": 2**40,
        "p_false": None, "image_id": "ab" * 32, "image_key": 7, "source_number": 1,
    }  # fmt: skip
    return fields | values


POINTS = [
    point(),
    point(exposure_s=None, flux_int_jy=NAN, flux_int_err_jy=INF, snr=-INF, ra=1e22, dec=-0.0),
    point(time_start=datetime(2026, 11, 24, 1, 2, 3, 40, UTC), stokes="a<b>&'\"", snr=1e-7),
    point(
        flux_int_jy=-1.2345678901234567e-5,
        freq_eff_hz=149999999.99999997,
        quality_flags=0,
        p_false=1 / 3,
    ),
]


def write(table: LightCurveTable, *chunks: list[dict[str, Any]]) -> bytes:
    return table.header() + b"".join(table.rows(chunk) for chunk in chunks) + table.footer()


def write_with_astropy(points: list[dict[str, Any]], source_id: int) -> bytes:
    """Write the table with astropy alone: slow, and whole in memory."""
    document = parse(io.BytesIO(write(VoTable(source_id))))
    table = document.get_first_table()
    table.create_arrays(len(points))
    for row, each in enumerate(points):
        time = each["time_start"].isoformat().replace("+00:00", "Z")
        values = [(each | {"time_start": time})[column[0]] for column in _COLUMNS]
        table.array[row] = tuple(np.nan if value is None else value for value in values)
    out = io.BytesIO()
    document.to_xml(out)
    return re.sub(rb" nrows=\"\d+\"", b"", out.getvalue())


@pytest.mark.parametrize("points", [[], POINTS[:1], POINTS])
def test_a_votable_is_the_one_that_astropy_writes(points: list[dict[str, Any]]) -> None:
    ours, theirs = write(VoTable(7), points), write_with_astropy(points, 7)
    got, expected = (parse_single_table(io.BytesIO(text)) for text in (ours, theirs))
    assert [str(field) for field in got.fields] == [str(field) for field in expected.fields]
    assert len(got.array) == len(points)
    for name in expected.array.dtype.names if points else ():
        np.testing.assert_array_equal(got.array[name].data, expected.array[name].data)
        np.testing.assert_array_equal(got.array[name].mask, expected.array[name].mask)
    text_of_cells = [line.strip() for line in theirs.decode().split("\n") if "<TD>" in line]
    assert "".join(text_of_cells).replace("InF", "Inf") == "".join(
        line.strip().removeprefix("<TR>").removesuffix("</TR>")
        for line in ours.decode().split("\n")
        if "<TD>" in line
    )
    head = theirs.partition(b"  </TABLE>" if not points else b"   <DATA>")[0]
    assert ours.startswith(head)


def test_a_table_in_pieces_is_the_same_table() -> None:
    pieces = write(VoTable(7), POINTS[:1], POINTS[1:3], POINTS[3:])
    assert write(VoTable(7), POINTS) == pieces


def test_csv_has_a_header_and_the_lines_of_the_database() -> None:
    text = write(CsvTable(), [{"line": "a,b"}], [{"line": "c,d"}]).decode()
    header, *lines = text.splitlines()
    assert header.split(",") == list(LightCurvePoint.model_fields)
    assert lines == ["a,b", "c,d"]


def test_a_number_survives_votable_and_an_unknown_one_is_undefined() -> None:
    array = parse_single_table(io.BytesIO(write(VoTable(7), POINTS))).array
    assert array["flux_int_jy"][0] == 0.1 + 0.2
    assert array["flux_int_err_jy"][1] == INF
    assert array["quality_flags"][0] == 2**40
    assert array["time_start"][0] == "2026-11-24T01:02:03Z"
    assert array["stokes"][2] == "a<b>&'\""
    assert math.isnan(array["exposure_s"].filled(NAN)[1])


@pytest.mark.parametrize(
    ("name", "unit", "ucd"),
    [
        ("flux_int_jy", "Jy", "phot.flux.density;em.radio"),
        ("flux_peak_err_jy_beam", "Jy / beam", "stat.error;phot.flux.density;em.radio"),
        ("freq_eff_hz", "Hz", "em.freq;instr"),
        ("ra", "deg", "pos.eq.ra"),
        ("exposure_s", "s", "time.duration;obs.exposure"),
    ],
)
def test_a_column_has_its_unit_and_ucd(name: str, unit: str, ucd: str) -> None:
    field = parse_single_table(io.BytesIO(write(VoTable(7), POINTS))).get_field_by_id(name)
    assert (str(field.unit), field.ucd) == (unit, ucd)


def test_a_page_of_json_has_the_points_of_the_database() -> None:
    page = orjson.loads(to_page(7, '{"snr":1},{"snr":2}', next_cursor="more"))
    assert page == {"source_id": 7, "points": [{"snr": 1}, {"snr": 2}], "next": "more"}
    assert orjson.loads(to_page(7, "", next_cursor=None)) == {
        "source_id": 7,
        "points": [],
        "next": None,
    }


def test_the_last_point_is_read_whatever_its_texts_hold() -> None:
    points = [
        {"time_start": "a", "stokes": "I"},
        {"time_start": "b", "stokes": '{"time_start":1}'},
    ]
    written = orjson.dumps(points).decode()[1:-1]
    assert read_last_point(written) == points[1]


def test_a_votable_says_its_coordinate_and_time_systems() -> None:
    document = parse(io.BytesIO(write(VoTable(7), POINTS)))
    fields = {field.name: field for field in document.get_first_table().fields}
    assert document.coordinate_systems[0].system == "ICRS"
    assert document.time_systems[0].timescale == "UTC"
    assert (fields["time_start"].ref, fields["time_start"].xtype) == ("utc", "timestamp")
    assert fields["ra"].ref == fields["dec"].ref == "icrs"
