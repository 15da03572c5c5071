"""Print the accuracy of the source finder on ten skies, each figure with its error and its bar.

``python -m benchmarks.extraction.skies --seed 1 --sources 4000`` draws images of each sky until so
many sources above 8 sigma stand alone, and finds them from the bytes of a FITS file. The truth is
on the sky where astropy puts it. A figure that misses its bar is marked with ``!``, or with ``?``
if it does so by less than two errors. Ends with status 1 if one is marked with ``!``.
"""

import argparse
import sys

from benchmarks.extraction.measured import ANALYSIS_SIGMA, CELL_PX, DETECTION_SIGMA
from benchmarks.extraction.skies.draw import draw_sky
from benchmarks.extraction.skies.kinds import KINDS, SkyKind
from benchmarks.extraction.skies.score import Compared, Value, compare, score
from services.extract.models import FinderParameters
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.image import open_image

_PARAMETERS = FinderParameters(
    detection_threshold_sigma=DETECTION_SIGMA,
    analysis_threshold_sigma=ANALYSIS_SIGMA,
    background_cell_px=CELL_PX,
)


def measure(kind: SkyKind, seed: int, n_sources: int) -> list[Compared]:
    """Return the catalogues of as many images as have so many clean sources above 8 sigma."""
    images: list[Compared] = []
    while sum(each.snr.size for each in images) < n_sources:
        sky = draw_sky(kind, seed, KINDS.index(kind), len(images))
        found = extract_sources(open_image(sky.data, {}), _PARAMETERS)
        images.append(compare(sky, found.sources))
    return images


def mark(value: Value) -> str:
    """Return what stands behind a figure: nothing if it keeps its bar."""
    if value.is_kept:
        return " "
    beyond = max(value.bar[0] - value.figure, value.figure - value.bar[1])
    return "?" if beyond < 2 * value.error else "!"


def main() -> int:
    """Run, print a row for each sky, and return the status of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sources", type=int, default=4000, help="for each sky")
    names = [kind.name for kind in KINDS]
    parser.add_argument("--skies", nargs="+", choices=names, default=names)
    options = parser.parse_args()
    marks = ""
    for kind in KINDS:
        if kind.name not in options.skies:
            continue
        images = measure(kind, options.seed, options.sources)
        values = score(images)
        if not marks:
            print(f"{'':<10}{'images':>7}" + "".join(f"{each.name:>16} " for each in values))
            bars = "".join(f"{each.bar[0]:>8g} to {each.bar[1]:<4g} " for each in values)
            print(f"{'bar':<17}{bars}")
        figures = "".join(f"{each.figure:9.4f} {each.error:6.4f}{mark(each)}" for each in values)
        print(f"{kind.name:<10}{len(images):7d}{figures}", flush=True)
        marks += "".join(map(mark, values)) or " "
    return int("!" in marks)


if __name__ == "__main__":
    sys.exit(main())
