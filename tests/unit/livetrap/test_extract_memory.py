"""How `livetrap extract` takes memory from the system: for its first files, and then no more."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.support.fits_images import make

# Page faults of ten further files.
COUNT = """
import resource, sys
from pathlib import Path
from livetrap.extraction.measure import Refusal, Task, measure_file
from services.extract.models import FinderParameters
task = Task(FinderParameters())
for number in range(14):
    if number == 4:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    assert not isinstance(measure_file(Path(sys.argv[1]), task), Refusal)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
# Of 4 KiB: a file has as many, and its pixels, too.
PAGES_A_FILE = 1024


def test_a_further_file_is_measured_in_the_memory_of_others(tmp_path: Path) -> None:
    path = tmp_path / "noise.fits"
    noise = np.random.default_rng(1).normal(0.0, 1e-3, (1024, 1024)).astype(np.float32)
    path.write_bytes(make(noise))
    arguments = [sys.executable, "-c", COUNT, str(path)]
    counted = subprocess.run(arguments, check=True, capture_output=True, text=True)
    assert int(counted.stdout) / 10 < PAGES_A_FILE / 4
