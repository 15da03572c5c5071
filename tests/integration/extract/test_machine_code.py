"""Kernels measure the same bits on any processor, compiled just now or from the cache."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

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


def measure(cache: Path, program: str = _MEASURE, **variables: str) -> str:
    """Return what a process measures that finds its machine code there, or compiles it."""
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache)} | variables,
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


@pytest.mark.extended
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
