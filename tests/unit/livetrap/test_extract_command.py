"""`livetrap extract` as a user calls it: no service runs."""

import csv
import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.io.votable import parse_single_table
from hypothesis import given, settings
from hypothesis import strategies as st

from livetrap import cli
from livetrap.extraction.terminal import _sexagesimal
from livetrap.simulator import SimulatorConfig, iterate_images, truth
from services.extract.steps.catalogue import extract_sources
from tests.support.examples import examples
from tests.support.fits_images import make, pixels

CONFIG = SimulatorConfig(images=1, bands_hz=(150e6,), seed=7)


@pytest.fixture(scope="module")
def image_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "sky.fits"
    path.write_bytes(next(iter(iterate_images(CONFIG))).data)
    return path


def run(*arguments: str | Path) -> int:
    """Return the exit code."""
    return cli.run(["extract", *map(str, arguments)])


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_every_source_with_its_place_in_pixels(
    image_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(image_file, "--detection-threshold", "8") == 0
    rows = rows_of(capsys.readouterr().out)
    steady = [row for row in truth(CONFIG) if row.kind == "steady"]
    places = np.array([(float(row["x_px"]), float(row["y_px"])) for row in rows])
    for source in steady:
        assert np.hypot(places[:, 0] - source.x_px, places[:, 1] - source.y_px).min() < 1


def test_free_shapes_have_errors_and_deconvolved_axes(
    image_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(image_file, "--free-shape", "--format", "json") == 0
    (image,) = json.loads(capsys.readouterr().out)
    bright = max(image["sources"], key=lambda row: row["snr"])
    assert 0 < bright["major_err_arcsec"] < 10
    assert bright["major_dc_arcsec"] < bright["major_arcsec"]


def test_votable_and_regions_hold_the_same_sources(image_file: Path, tmp_path: Path) -> None:
    table, regions = tmp_path / "sources.xml", tmp_path / "sources.reg"
    assert run(image_file, "--format", "votable", "--output", table) == 0
    assert run(image_file, "--format", "ds9", "--output", regions) == 0
    n_rows = len(parse_single_table(str(table)).to_table())
    assert n_rows > 10
    assert regions.read_text().count("ellipse(") == n_rows


def test_maps_add_up(image_file: Path, tmp_path: Path) -> None:
    assert run(image_file, "--maps", tmp_path, "--output", tmp_path / "list.csv") == 0
    maps = {
        name: fits.getdata(tmp_path / f"sky.{name}.fits")
        for name in ("background", "rms", "significance", "islands", "residual")
    }
    n_sources = len(rows_of((tmp_path / "list.csv").read_text()))
    assert maps["islands"].max() == n_sources
    # What is left after all models is noise and the sources below the threshold.
    assert np.nanmax(maps["residual"] / maps["rms"]) < 8
    assert np.nanmax(maps["significance"]) > 50
    assert abs(maps["residual"].std() / maps["rms"].mean() - 1) < 0.1


def test_the_negated_image_holds_nothing(
    image_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(image_file, "--negative", "--detection-threshold", "5.5") == 0
    assert rows_of(capsys.readouterr().out) == []


def test_a_false_discovery_rate_sets_the_threshold(
    image_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(image_file, "--fdr", "0.01", "--format", "json") == 0
    (image,) = json.loads(capsys.readouterr().out)
    assert 2 < image["detection_threshold_sigma"] < 6


def test_one_bad_file_does_not_stop_the_others(
    image_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.fits"
    bad.write_bytes(b"no image")
    assert run(bad, tmp_path, tmp_path / "missing.fits", image_file) == 1
    output = capsys.readouterr()
    *lines, summary = output.err.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["not_fits", "io_error", "io_error"]
    rows = rows_of(output.out)
    assert len(rows) > 10
    assert summary == (
        f"4 files: 1 measured, {len(rows)} sources; 3 refused: 2 io_error, 1 not_fits"
    )


def test_a_defect_that_one_file_meets_stops_no_other_file(
    image_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter([ZeroDivisionError("the inside"), None])

    def fail_once(*arguments: object) -> object:
        error = next(calls)
        if error is not None:
            raise error
        return extract_sources(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("livetrap.extraction.measure.extract_sources", fail_once)
    assert run(image_file, image_file) == 1
    output = capsys.readouterr()
    assert "internal_error: ZeroDivisionError" in output.err
    assert len(rows_of(output.out)) > 10


def test_an_empty_image_says_how_deep_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.fits"
    array = pixels(shape=(128, 128)) / np.float32(1e5)
    array[:8] = np.nan
    empty.write_bytes(make(array))
    assert run(empty) == 0
    output = capsys.readouterr()
    assert rows_of(output.out) == []
    assert "no sources above 8 sigma = 7.89 mJy/beam, rms 986 uJy/beam" in output.err
    assert "1024 of" in output.err
    assert run(empty, "--format", "json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["n_blank_px"] == 1024
    assert found["rms_jy_beam"] == pytest.approx(1e-3, rel=0.05)
    assert run(empty, "--format", "table") == 0
    assert "uJy/beam, 1024 of" in capsys.readouterr().out


def test_a_terminal_gets_a_table(
    image_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(image_file) == 0
    about, when, header, units_line, *lines = capsys.readouterr().out.splitlines()
    assert f"{len(lines)} sources above 8 sigma" in about
    assert "150 MHz" in when
    assert "mJy/beam" in units_line
    column = header.index("peak") + len("peak")
    for line in lines:
        # The right edge of each column is that of its heading.
        assert line[column - 1].isdigit()
        assert line[column : column + 2] == "  "
        flux, _, error = line.split()[3:6]
        assert float(flux) / float(error) > 7


@settings(max_examples=examples(200))
@given(ra=st.floats(0, 360), dec=st.floats(-90, 90))
def test_sexagesimal_is_the_same_position(ra: float, dec: float) -> None:
    hours = _sexagesimal(ra / 15, digits=3, turn=24)
    degrees = ("-" if dec < 0 else "+") + _sexagesimal(abs(dec), digits=2)
    assert ":60" not in hours + degrees
    again = SkyCoord(hours, degrees, unit=(units.hourangle, units.deg))
    assert again.separation(SkyCoord(ra, dec, unit="deg")).arcsec < 0.02


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems only have UTF-8 names")
def test_a_name_that_is_no_utf8_is_no_obstacle(
    image_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9, 5%.fits")
    odd.write_bytes(image_file.read_bytes())
    for kind in ("csv", "json", "votable", "ds9", "table"):
        assert run(odd, "--format", kind) == 0
    assert "caf\\xe9, 5%.fits" in capsys.readouterr().out


def test_an_output_that_cannot_be_written_is_refused_first(
    image_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(image_file, "--output", tmp_path / "nowhere" / "list.csv") == 2
    assert "nowhere" in capsys.readouterr().err


def test_thresholds_must_fit_together(
    image_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(image_file, "--detection-threshold", "2", "--analysis-threshold", "3") == 2
    assert "must not exceed" in capsys.readouterr().err


def test_what_is_found_in_one_image_is_measured_in_another(
    image_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(image_file, "--detection-threshold", "20") == 0
    found = rows_of(capsys.readouterr().out)
    deep = tmp_path / "deep.fits"
    with fits.open(image_file) as file:
        file[0].data = file[0].data * 2
        file.writeto(deep)
    assert run(deep, "--detection-image", image_file, "--detection-threshold", "20") == 0
    measured = rows_of(capsys.readouterr().out)
    assert len(measured) == len(found) > 5
    for one, other in zip(found, measured, strict=True):
        ratio = float(other["flux_peak_jy_beam"]) / float(one["flux_peak_jy_beam"])
        assert ratio == pytest.approx(2, rel=1e-3)


def test_an_unreadable_detection_image_is_wrong_usage(
    image_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(image_file, "--detection-image", "nowhere.fits") == 2
    assert "nowhere.fits" in capsys.readouterr().err
