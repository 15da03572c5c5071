"""Compare a position with the sources that the simulator put into the sky."""

import csv
import math
from pathlib import Path

__all__ = ["TruthFile"]

_MATCH_RADIUS_ARCSEC = 30.0


class TruthFile:
    """The simulator's truth.csv, read again whenever its size changes.

    Parameters
    ----------
    path : Path
        May not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size_bytes = -1
        self._sources: list[tuple[tuple[float, float], str]] = []

    def match(self, ra: float, dec: float) -> tuple[str, float] | None:
        """Return kind and distance [arcsec] of the nearest true source, if one is near enough.

        Parameters
        ----------
        ra, dec : float
            Position, ICRS [deg].

        Returns
        -------
        tuple of str and float, or None
            None if nothing is within 30 arcsec.
        """
        self._read()
        found = [(_separation_arcsec((ra, dec), place), kind) for place, kind in self._sources]
        distance_arcsec, kind = min(found, default=(math.inf, ""))
        return (kind, distance_arcsec) if distance_arcsec <= _MATCH_RADIUS_ARCSEC else None

    def _read(self) -> None:
        if not self._path.exists() or self._path.stat().st_size == self._size_bytes:
            return
        self._size_bytes = self._path.stat().st_size
        with self._path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            self._sources = [((float(row["ra"]), float(row["dec"])), row["kind"]) for row in rows]


def _separation_arcsec(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the distance of two positions (ra, dec) [deg] by the haversine formula [arcsec]."""
    (ra_1, dec_1), (ra_2, dec_2) = one, other
    lat_1, lat_2 = math.radians(dec_1), math.radians(dec_2)
    half_lon = math.radians(ra_2 - ra_1) / 2
    h = (
        math.sin((lat_2 - lat_1) / 2) ** 2
        + math.cos(lat_1) * math.cos(lat_2) * math.sin(half_lon) ** 2
    )
    return math.degrees(2 * math.asin(math.sqrt(min(1.0, h)))) * 3600
