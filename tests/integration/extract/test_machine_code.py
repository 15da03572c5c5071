"""Kernels measure the same bits, whichever were compiled just now or came from the cache."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_MEASURE = """
import numpy as np
from services.extract.steps.background import measure_background

rng = np.random.default_rng(1)
for _ in range(20):
    for grid in measure_background(rng.normal(0, 1e-2, (192, 192)).astype("f4"), 50):
        print(grid.tobytes().hex())
"""


def measure(cache: Path) -> str:
    """Return what a process measures that finds its machine code there, or compiles it."""
    return subprocess.run(
        [sys.executable, "-c", _MEASURE], env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


def test_an_incomplete_cache_changes_no_bits(tmp_path: Path) -> None:
    # A process that is killed at its first start leaves a cache without some functions.
    complete = tmp_path / "complete"
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
