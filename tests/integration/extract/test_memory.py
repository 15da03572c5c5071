"""The memory of a process that measures large images, with its default settings."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from livetrap.simulator.config import SimulatorConfig
from livetrap.simulator.image import make_header, utc_isot

SIDE_PX = 2300
# 193, and an image is 21 MB.
MOST_MB = 210

# Without Kafka's client, which reads up to 32 MiB ahead.
_MEASURE = """
import re
import sys
from pathlib import Path
import services.extract.app
from runtime.kafka import InMessage
from runtime.memory import reuse_large_blocks
from runtime.settings import ExtractSettings, ImageLimits
from services.extract.steps.image_message import read_message
from services.extract.steps.measurement import ImageMeasurer

reuse_large_blocks()
measurer = ImageMeasurer(ExtractSettings(), ImageLimits(), disk=Path(sys.argv[2]))
for number in range(6):
    data = Path(sys.argv[1]).read_bytes()
    message = InMessage("images-v1", 0, number, b"night:150MHz", data)
    record = measurer.measure(read_message(message, str(number)))
    assert record.verdict == "accepted"
    del data, message
# Without mapped files: how much of a library is resident is the choice of the kernel. getrusage
# has the memory of the process that started this one, too.
status = Path("/proc/self/status").read_text()
peak_kb, files_kb = (
    int(re.search(rf"{name}:\\s+(\\d+) kB", status).group(1)) for name in ("VmHWM", "RssFile")
)
print((peak_kb - files_kb) / 1024)
"""


@pytest.fixture(scope="module")
def large_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = SimulatorConfig(size=SIDE_PX, images=1)
    header = make_header(config, config.bands_hz[0], utc_isot(config.time_start(0)))
    pixels = np.random.default_rng(1).normal(0.0, 1e-3, (SIDE_PX, SIDE_PX)).astype(">f4")
    path = tmp_path_factory.mktemp("image") / "large.fits"
    path.write_bytes(header.tostring().encode() + pixels.tobytes() + bytes(-pixels.nbytes % 2880))
    return path


def measure(image: Path, folder: Path) -> float:
    """Return the most memory that a process takes to measure an image six times [MB].

    What counts the lines of a process is no part of it.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")
    }
    return float(
        subprocess.run(
            [sys.executable, "-c", _MEASURE, str(image), str(folder)],
            check=True, capture_output=True, text=True, env=environment,
        ).stdout
    )  # fmt: skip


def test_large_images_take_little_memory(large_image: Path, tmp_path: Path) -> None:
    # A process that finds no machine code compiles it, in more memory: that is not of images.
    subprocess.run([sys.executable, "-c", "import services.extract.app"], check=True)
    assert measure(large_image, tmp_path) < MOST_MB
