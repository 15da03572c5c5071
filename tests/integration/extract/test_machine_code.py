"""Kernels measure the same bits on any processor, compiled just now or from the cache."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_MEASURE = """
import numpy as np
from services.extract.steps.background import measure_background

rng = np.random.default_rng(1)
for _ in range(20):
    for grid in measure_background(rng.normal(0, 1e-2, (192, 192)).astype("f4"), 50):
        print(grid.tobytes().hex())
"""


def measure(cache: Path, **variables: str) -> str:
    """Return what a process measures that finds its machine code there, or compiles it."""
    return subprocess.run(
        [sys.executable, "-c", _MEASURE],
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
