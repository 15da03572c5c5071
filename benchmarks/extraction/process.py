"""CPU time and memory of the extract process for an image: message in, record out.

``python -m benchmarks.extraction.process 2300`` prints both for images of that side, without
Kafka's client, which reads up to 32 MiB ahead in threads of its own (`from_broker` has it).
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Figure

__all__ = ["measure_process"]

_SOURCES_A_PIXEL = 200 / 1024**2
_WARM_UP, _IMAGES = 6, 15
# The file of pixels that have left memory comes round in the warm-up: while it grows, the system
# has to find memory for it, which a virtual machine may not have yet.
_IMAGES_ON_DISK = 2


def measure_process(n_rounds: int, *, sides_px: tuple[int, ...]) -> list[Figure]:
    """Return the figures of processes of their own, one after the other."""
    figures = []
    for side_px in sides_px:
        rounds = [_run(side_px) for _ in range(n_rounds)]
        cpu_ms, peak_mb = zip(*rounds, strict=True)
        figures += [
            Figure(f"extract process, CPU an image, {side_px} px", "ms", cpu_ms),
            Figure(f"extract process, peak memory, {side_px} px", "MB", peak_mb),
        ]
    return figures


def _run(side_px: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.fits"
        # The memory of who makes the image is not that of who measures it.
        for job in ("make", "measure"):
            arguments = ("-m", "benchmarks.extraction.process", str(side_px), job, str(path))
            done = subprocess.run(
                [sys.executable, *arguments], check=True, capture_output=True, text=True
            )
        cpu_ms, peak_mb = json.loads(done.stdout.splitlines()[-1])
    return float(cpu_ms), float(peak_mb)


def _make(side_px: int, path: Path) -> None:
    from benchmarks.extraction.sky import generate_field, to_fits  # noqa: PLC0415  (memory)

    n_sources = round(_SOURCES_A_PIXEL * side_px**2)
    path.write_bytes(to_fits(generate_field(side_px, n_sources, 1, mixed=True)))


def _measure(path: Path) -> tuple[float, float]:
    """Return the median CPU time of an image [ms], and the peak memory of this process [MB]."""
    from runtime.kafka import InMessage  # noqa: PLC0415  (as above)
    from runtime.memory import reuse_large_blocks  # noqa: PLC0415
    from runtime.settings import ExtractSettings, ImageLimits  # noqa: PLC0415
    from schemas.topics import Topics  # noqa: PLC0415
    from services.extract.handlers.images import ImageHandler  # noqa: PLC0415
    from services.extract.steps.measurement import ImageMeasurer  # noqa: PLC0415

    reuse_large_blocks()
    disk_mb = -(-_IMAGES_ON_DISK * path.stat().st_size // 10**6)
    measurer = ImageMeasurer(
        ExtractSettings(recent_images_disk_mb=disk_mb), ImageLimits(), disk=path.parent
    )
    handler = ImageHandler(measurer, Topics(), "cluster")
    taken_ms = []
    for number in range(_WARM_UP + _IMAGES):
        message = InMessage(
            Topics().images, 0, number, b"night:150MHz", path.read_bytes(),
            time_appended=datetime.now(UTC),
        )  # fmt: skip
        started_s = time.process_time()
        handler.on_image(message)
        taken_ms.append(1000 * (time.process_time() - started_s))
        del message
    return statistics.median(taken_ms[_WARM_UP:]), _peak_mb()


def _peak_mb() -> float:
    """Return the largest resident memory [MB]; getrusage gives that of the starter, if larger."""
    (peak_kb,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak_kb) / 1024


def main() -> None:
    """Measure one size, or do one of the two jobs of that for the process that asks."""
    side_px, *job = sys.argv[1:]
    if not job:
        cpu_ms, peak_mb = _run(int(side_px))
        print(f"{side_px} px: {cpu_ms:.1f} ms of CPU an image, at most {peak_mb:.0f} MB")
    elif job[0] == "make":
        _make(int(side_px), Path(job[1]))
    else:
        print(json.dumps(_measure(Path(job[1]))))


if __name__ == "__main__":
    main()
