"""`livetrap extract` in processes of its own."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from livetrap import cli
from tests.support.fits_images import make, pixels


def image_of_a_source() -> np.ndarray:
    array = pixels() / np.float32(1e5)
    array[32, 32] = 1.0
    return array


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_no_home_no_locale_and_another_time_zone_change_nothing(tmp_path: Path) -> None:
    image = write(tmp_path / "små, 5%.fits", make(image_of_a_source()))
    odd = {"HOME": os.devnull, "LC_ALL": "C", "TZ": "Asia/Kathmandu", "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "livetrap", "extract", str(image), "--format", "json"],
        env={"PATH": os.environ["PATH"], **odd},
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["file"] == str(image)
    assert found["time_start"] == "2026-01-01T00:00:00Z"
    assert len(found["sources"]) == 1


def test_files_are_measured_at_the_same_time_in_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    array = image_of_a_source()
    files = [write(tmp_path / f"{number}.fits", make(number * array)) for number in (1, 2)]
    bad = write(tmp_path / "bad.fits", b"no image")
    assert cli.run(["extract", *map(str, (files[0], bad, files[1])), "-j", "2"]) == 1
    output = capsys.readouterr()
    found = list(csv.DictReader(io.StringIO(output.out)))
    assert [row["file"] for row in found] == [str(path) for path in files]
    assert "bad.fits: not_fits" in output.err
