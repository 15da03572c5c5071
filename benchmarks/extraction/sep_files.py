"""SEP on image files, as a script of its own would use it: from paths to positions on the sky.

It reads with astropy, mapped into memory: of the readers that were tried (astropy with and without
a map, fitsio, numpy with the header read by astropy) that takes the least CPU time with its WCS.
It keeps its lists and writes none. ``-j 2`` measures with two processes.
"""

import argparse
import math
import multiprocessing
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from benchmarks.extraction.sep_finder import SepFinder

__all__ = ["run"]

FloatArray = NDArray[np.float64]


def _measure_file(path: Path) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return right ascension and declination [deg] and flux [Jy] of the sources of a file."""
    with fits.open(path, memmap=True) as file:
        header = file[0].header
        pixels = np.ascontiguousarray(np.squeeze(file[0].data), dtype=np.float32)
    wcs = WCS(header, naxis=2)
    axes_px = [header[name] / abs(header["CDELT2"]) for name in ("BMAJ", "BMIN")]
    found = SepFinder(math.sqrt(axes_px[0] * axes_px[1])).find(pixels)
    ra, dec = wcs.all_pix2world(found.x, found.y, 0)
    return ra, dec, found.flux


def run(arguments: list[str]) -> None:
    """Measure the files of a command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("-j", "--jobs", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.jobs == 1:
        lists = [_measure_file(path) for path in options.files]
    else:
        with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
            lists = pool.map(_measure_file, options.files)
    print(f"{len(lists)} files, {sum(ra.size for ra, _, _ in lists)} sources")


if __name__ == "__main__":
    run(sys.argv[1:])
