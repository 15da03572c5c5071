"""Options of `livetrap extract` for images that are not of the service."""

import csv
import gzip
import io
import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from livetrap import cli
from runtime.errors import SettingsError
from services.extract.steps.positions import read_positions
from tests.support.examples import examples
from tests.support.fits_images import make, pixels

SOURCE_JY = 1.0


@pytest.fixture
def sky() -> np.ndarray:
    dy, dx = np.mgrid[:128, :128].astype("f4") - np.float32([40, 50])[:, None, None]
    # The beam of `make` has 4 x 5 px.
    source = SOURCE_JY * np.exp(-4 * np.log(2) * (dx**2 / 16 + dy**2 / 25))
    return (source + pixels(shape=(128, 128)) / 1e5).astype("f4")


def run(*arguments: str | Path) -> int:
    """Return the exit code."""
    return cli.run(["extract", *map(str, arguments)])


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def without(data: bytes, *cards: str) -> bytes:
    with fits.open(io.BytesIO(data)) as file:
        for card in cards:
            del file[0].header[card]
        out = io.BytesIO()
        file.writeto(out)
    return out.getvalue()


def test_an_image_needs_no_date_and_no_frequency(
    sky: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = make(sky)
    bare = write(tmp_path / "bare.fits", without(plain, "DATE-OBS", "RESTFRQ"))
    assert run(bare, "--format", "json") == 0
    (image,) = json.loads(capsys.readouterr().out)
    assert (image["time_start"], image["freq_eff_hz"]) == (None, None)
    assert run(write(tmp_path / "plain.fits", plain), "--format", "json") == 0
    (same,) = json.loads(capsys.readouterr().out)
    assert image["sources"] == same["sources"] != []
    assert run(bare, "--format", "table") == 0
    assert "no date, no frequency" in capsys.readouterr().out


def test_brightness_temperatures_need_a_frequency(
    sky: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "kelvin.fits", without(make(sky, BUNIT="K"), "RESTFRQ"))
    assert run(path) == 1
    assert "--set RESTFRQ=HERTZ" in capsys.readouterr().err
    assert run(path, "--set", "RESTFRQ=1.4e9") == 0


def test_a_card_can_be_set(
    sky: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "no_beam.fits", without(make(sky), "BMAJ", "BMIN", "BPA"))
    assert run(path) == 1
    assert "no_beam" in capsys.readouterr().err
    with fits.open(io.BytesIO(make(sky))) as file:
        beam = [f"{name}={file[0].header[name]}" for name in ("BMAJ", "BMIN", "BPA")]
    assert run(path, *(word for card in beam for word in ("--set", card))) == 0
    assert len(rows(capsys)) == 1
    assert run(path, "--set", "BMAJ") == 2


def test_a_plane_of_a_compressed_cube(
    sky: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cube = np.stack([sky, 2 * sky, np.zeros_like(sky)])
    axis = {"CTYPE3": "FREQ", "CRVAL3": 1e8, "CRPIX3": 1.0, "CDELT3": 1e6}
    path = write(tmp_path / "cube.fits.gz", gzip.compress(make(cube, **axis)))
    assert run(path) == 1
    assert "--plane 1 to 3" in capsys.readouterr().err
    fluxes = []
    for plane in (1, 2):
        assert run(path, "--plane", plane, "--format", "json") == 0
        (image,) = json.loads(capsys.readouterr().out)
        assert image["freq_eff_hz"] == pytest.approx(1e8 + (plane - 1) * 1e6)
        fluxes.append(image["sources"][0]["flux_peak_jy_beam"])
    assert fluxes[1] == pytest.approx(2 * fluxes[0], rel=1e-3)
    assert run(path, "--plane", 4) == 1


def test_maps_of_others_replace_the_measured_ones(
    sky: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = write(tmp_path / "image.fits", make(sky + np.float32(0.25)))
    noise = np.full_like(sky, 0.01)
    noise[:20] = np.nan
    rms = write(tmp_path / "rms.fits", make(noise))
    background = write(tmp_path / "background.fits", make(np.full_like(sky, 0.25)))
    maps = ("--rms-map", rms, "--background-map", background)
    assert run(image, *maps, "--format", "json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["rms_jy_beam"] == pytest.approx(0.01)
    assert found["n_blank_px"] == 20 * 128
    (source,) = found["sources"]
    assert source["snr"] == pytest.approx(source["flux_peak_jy_beam"] / 0.01, rel=1e-2)
    assert run(image, "--background-map", background) == 0
    small = write(tmp_path / "small.fits", make(noise[:64, :64]))
    assert run(image, "--rms-map", small) == 1
    assert "shape_mismatch" in capsys.readouterr().err


def test_a_map_of_beams_and_a_list_of_bright_sources(
    sky: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = write(tmp_path / "image.fits", make(sky, CRVAL2=0.0))
    planes = np.ones((3, 128, 128), "f4") * np.float32([0.05, 0.04, 0.0])[:, None, None]
    beams = write(tmp_path / "beams.fits", make(planes, CRVAL2=0.0))
    bright = write(tmp_path / "bright.csv", b"ra,dec\n9.99,0.2\n")
    assert run(image) == 0
    (plain,) = rows(capsys)
    assert run(image, "--psf-map", beams, "--bright-positions", bright) == 0
    (mapped,) = rows(capsys)
    assert float(mapped["flux_int_jy"]) == pytest.approx(float(plain["flux_int_jy"]), rel=1e-4)
    is_near = {name: int(row["quality_flags"]) & 32 for name, row in
               (("plain", plain), ("mapped", mapped))}  # fmt: skip
    assert is_near == {"plain": 0, "mapped": 32}
    assert run(image, "--psf-map", image) == 2
    assert "has 1 planes; give a cube of three" in capsys.readouterr().err


def test_fluxes_at_positions(
    sky: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = write(tmp_path / "image.fits", make(sky))
    assert run(image) == 0
    (source,) = rows(capsys)
    known = tmp_path / "known.csv"
    far = (float(source["ra"]) + 180) % 360
    known.write_text(f"name,RA,dec\na,{source['ra']},{source['dec']}\nb,{far},0\n")
    assert run(image, "--positions", known) == 0
    at_source, beyond = rows(capsys)
    flux = float(at_source["flux_peak_jy_beam"])
    assert flux == pytest.approx(float(source["flux_peak_jy_beam"]), rel=0.05)
    assert (beyond["flux_peak_jy_beam"], beyond["reason"]) == ("", "outside")
    assert run(image, "--positions", known, "--format", "json") == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["positions"][0]["flux_peak_jy_beam"] == pytest.approx(flux)
    assert run(image, "--positions", known, "--format", "ds9") == 2


@settings(max_examples=examples(100))
@given(
    text=st.text(max_size=60)
    | st.lists(st.text("0123456789.,-ra dec\n", max_size=20)).map("\n".join)
)
def test_any_list_of_positions_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "positions.csv"
    path.write_text(text, encoding="utf-8")
    with suppress(SettingsError):
        ra, dec = read_positions(path, name="--positions")
        assert ra.size == dec.size > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "columns ra and dec"), ("x,y\n1,2", "columns ra and dec"),
        ("ra,dec\n", "no position"),
        ("ra,dec\n1,2\n3,four", "line 3"), ("ra,dec\n1", "line 2"), ("ra,dec\n1,95", "line 2"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_list_of_positions_is_said(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "positions.csv"
    path.write_text(text)
    with pytest.raises(SettingsError, match=words):
        read_positions(path, name="--positions")
