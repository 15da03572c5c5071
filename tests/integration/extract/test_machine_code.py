"""Kernels measure the same bits on any processor, compiled just now or from the cache."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

pytestmark = pytest.mark.machine_code

_MEASURE = """
import numpy as np
from services.extract.steps.background import measure_background

rng = np.random.default_rng(1)
for _ in range(20):
    for grid in measure_background(rng.normal(0, 1e-2, (192, 192)).astype("f4"), 50):
        print(grid.tobytes().hex())
"""

# Every kernel of a catalogue: sources of the beam's shape, blended, extended, and of few pixels.
_FIND = """
import numpy as np
from dataclasses import fields
from services.extract.models import BeamShape, FinderParameters
from services.extract.steps.background import measure_background
from services.extract.steps.finder import find_sources

rng = np.random.default_rng(2)
for major, minor in ((5.0, 4.0), (12.0, 2.4), (1.9, 1.6)):
    beam = BeamShape(major, minor, 0.7)
    y, x = np.mgrid[:256, :256].astype(float)
    image = rng.normal(0, 1, (256, 256))
    for number in range(60):
        wide = BeamShape(major + 3 * (number % 5 == 0), minor + 2 * (number % 5 == 0), 0.7)
        dx, dy = x - rng.uniform(15, 240), y - rng.uniform(15, 240)
        a, b, c = wide.quadratic
        exponent = np.minimum(a * dx * dx + 2 * b * dx * dy + c * dy * dy, 100.0)
        # No exponential and no power of numpy's: their last digit depends on the processor.
        shape = 1 / (1 + exponent / 64)
        for _ in range(6):
            shape *= shape
        image += rng.uniform(8, 200) * shape
    pixels = image.astype("f4")
    mean, rms = measure_background(pixels, 50)
    for force_beam in (True, False):
        parameters = FinderParameters(detection_threshold_sigma=5.0, force_beam=force_beam)
        found = find_sources(pixels, mean, rms, beam, parameters)
        for column in fields(found):
            print(column.name, getattr(found, column.name).tobytes().hex())
"""

# Records and shapes of images in projections of each kind, one with a beam of few pixels.
_RECORD = """
import io
import numpy as np
from dataclasses import fields, replace
from astropy.io import fits
from services.extract.models import FinderParameters
from services.extract.steps.catalogue import extract_sources, to_shapes
from services.extract.steps.image import open_image
from services.extract.steps.records import to_image_metadata

DATE = "2026-01-01T00:00:00"
rng = np.random.default_rng(3)
y, x = np.mgrid[:192, :192].astype(float)
pixels = rng.normal(0, 1, (192, 192))
for _ in range(40):
    exponent = ((x - rng.uniform(15, 175)) / 3) ** 2 + ((y - rng.uniform(15, 175)) / 2.5) ** 2
    shape = 1 / (1 + np.minimum(exponent, 100.0) / 64)
    for _ in range(6):
        shape *= shape
    pixels += rng.uniform(8, 200) * shape
for axes, system, beam_deg in (
    ("RA---SIN DEC--SIN", {"CRVAL1": 350.1, "CRVAL2": 52.3}, 0.25),
    ("RA---SIN DEC--SIN", {"CRVAL1": 10.1, "CRVAL2": 89.3}, 0.09),
    ("RA---TAN DEC--TAN", {"CRVAL1": 0.1, "CRVAL2": -30.3, "EQUINOX": 1975.0}, 0.2),
    ("GLON-CAR GLAT-CAR", {"CRVAL1": 83.1, "CRVAL2": 0.0}, 0.2),
):
    header = {"CTYPE1": axes[:8], "CTYPE2": axes[9:], "CRPIX1": 90.0, "CRPIX2": 90.0}
    header |= {"CDELT1": -0.05, "CDELT2": 0.05, "BUNIT": "Jy/beam", "RESTFRQ": 1.5e8, "EXPTIME": 1}
    header |= {"BMAJ": beam_deg, "BMIN": 0.9 * beam_deg, "BPA": 30.0, "DATE-OBS": DATE}
    hdu = fits.PrimaryHDU(pixels.astype("f4"))
    hdu.header.update(header | system)
    hdu.writeto(file := io.BytesIO())
    image = open_image(file.getvalue(), {})
    print(to_image_metadata(image))
    for force_beam in (True, False):
        parameters = FinderParameters(detection_threshold_sigma=5.0, force_beam=force_beam)
        extraction = extract_sources(image, parameters)
        for table in (extraction.sources, to_shapes(image, extraction.found)):
            for column in fields(table):
                print(column.name, np.asarray(getattr(table, column.name)).tobytes().hex())
"""


def measure(cache: Path, program: str = _MEASURE, **variables: str) -> str:
    """Return what a process measures that finds its machine code there, or compiles it."""
    return run(program, {"NUMBA_CACHE_DIR": str(cache)} | variables)


def run(program: str, variables: dict[str, str]) -> str:
    """Return what a process prints."""
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | variables,
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the cache of a process that compiled everything for this processor."""
    cache = tmp_path_factory.mktemp("complete")
    measure(cache)
    return cache


def test_an_incomplete_cache_changes_no_bits(complete: Path, tmp_path: Path) -> None:
    # A process that is killed at its first start leaves a cache without some functions.
    first = measure(complete)
    assert first
    cached = [each.relative_to(complete) for each in complete.rglob("background.*.nbi")]
    assert cached
    for number, missing in enumerate(cached):
        incomplete = tmp_path / str(number)
        shutil.copytree(complete, incomplete)
        for file in (incomplete / missing).parent.glob(f"{missing.stem}.*"):
            file.unlink()
        assert measure(incomplete) == first, f"without {missing}"
        assert measure(incomplete) == first


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names of x86-64 processors")
def test_processors_with_other_vectors_measure_the_same_bits(
    complete: Path, tmp_path: Path
) -> None:
    # Vectors of 128 and 256 bit; those of this machine may have 512.
    here = measure(complete)
    for name in ("x86-64-v2", "x86-64-v3"):
        cpu = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": ""}
        assert measure(tmp_path / name, **cpu) == here


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names of x86-64 processors")
def test_processors_without_avx512_write_the_same_records() -> None:
    # numpy's loops for it, and the kernels of BLAS; machine code is this processor's in both.
    newest = [
        name for name in __cpu_dispatch__ if __cpu_features__[name] and not is_of_level_3(name)
    ]
    older = {"NPY_DISABLE_CPU_FEATURES": " ".join(newest), "OPENBLAS_CORETYPE": "Haswell"}
    here = run(_RECORD, {})
    assert here.count("pa_dc_err_deg") == 8
    assert run(_RECORD, older) == here


def is_of_level_3(name: str) -> bool:
    """Return whether a feature, by numpy's name, is one that processors without AVX-512 have."""
    return name in ("X86_V3", "AVX", "F16C", "FMA3", "AVX2")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names of x86-64 processors")
def test_processors_with_other_vectors_find_the_same_sources(tmp_path: Path) -> None:
    here = measure(tmp_path / "here", _FIND)
    assert here.count("amplitude") == 6
    oldest = {
        "NUMBA_CPU_NAME": "x86-64-v2",
        "NUMBA_CPU_FEATURES": "",
        "NPY_DISABLE_CPU_FEATURES": " ".join(
            name for name in __cpu_dispatch__ if __cpu_features__[name]
        ),
    }
    assert measure(tmp_path / "oldest", _FIND, **oldest) == here
