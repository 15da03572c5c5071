"""The part of the running catalogue that a timestep can touch, in memory while it is decided."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.associate.steps.matching import Links, Positions, find_pairs, resolve
from sky.geometry import move, tangent_offsets
from sky.statistics import eta, new_moments, update_moments, v

__all__ = ["Channel", "ImageResult", "MeasuredColumns", "Neighbourhood"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Channel = tuple[int, str]

_DTYPE = np.dtype(
    [
        ("id", np.int64), ("parent", np.int64), ("ra", np.float64), ("dec", np.float64),
        ("weight_ra", np.float64), ("weight_dec", np.float64), ("n_datapoints", np.int64),
        ("is_new", np.bool_), ("is_variable", np.bool_), ("is_created", np.bool_),
        ("is_touched", np.bool_), ("first_image", np.int64), ("first_number", np.int64),
    ]
)  # fmt: skip
_NO_PARENT = -1


@dataclass(frozen=True, slots=True)
class MeasuredColumns:
    """What association needs of one image's detections; (n,) each, errors statistical."""

    ra: FloatArray
    dec: FloatArray
    ra_err_deg: FloatArray
    dec_err_deg: FloatArray
    flux_peak: FloatArray
    flux_peak_err: FloatArray
    flux_int: FloatArray
    flux_int_err: FloatArray


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What became of each detection of an image.

    `source` is the row in the neighbourhood that each detection belongs to and `radius` its
    De Ruiter radius (NaN where it founded the source); `shared` are further sources of a
    detection.
    """

    source: IntArray
    radius: FloatArray
    shared: Links


class Neighbourhood:
    """Sources near a timestep's detections, with their light-curve statistics.

    Parameters
    ----------
    systematic_deg : float
        Floor of every position error, per axis; does not average down [deg].
    """

    def __init__(self, systematic_deg: float) -> None:
        self._systematic_deg = systematic_deg
        self.sources = np.zeros(0, _DTYPE)
        # Per channel (band, Stokes): statistics of integrated and of peak flux, and the
        # largest integrated flux; one row a source.
        self.flux_int: dict[Channel, npt.NDArray[np.void]] = {}
        self.flux_peak: dict[Channel, npt.NDArray[np.void]] = {}
        self.flux_max: dict[Channel, FloatArray] = {}

    def load(self, sources: npt.NDArray[np.void]) -> None:
        """Start from catalogue rows: fields of the dtype that `empty_rows` gives."""
        self.sources = sources

    @staticmethod
    def empty_rows(size: int) -> npt.NDArray[np.void]:
        """Return blank catalogue rows."""
        rows = np.zeros(size, _DTYPE)
        rows["parent"] = _NO_PARENT
        return rows

    def channel(self, channel: Channel) -> None:
        """Make room for a channel's statistics."""
        size = self.sources.size
        for table in (self.flux_int, self.flux_peak):
            if channel not in table:
                table[channel] = new_moments(size)
        self.flux_max.setdefault(channel, np.full(size, -np.inf))

    def positions(self) -> Positions:
        """Return where the sources are; the systematic error is a floor in quadrature."""
        rows = self.sources
        with np.errstate(divide="ignore"):
            east, north = 1 / rows["weight_ra"], 1 / rows["weight_dec"]
        floor = self._systematic_deg**2
        return Positions(rows["ra"], rows["dec"], np.sqrt(east + floor), np.sqrt(north + floor))

    def associate(
        self,
        channel: Channel,
        columns: MeasuredColumns,
        *,
        image: int,
        de_ruiter_limit: float,
        distance_limit_deg: float,
    ) -> ImageResult:
        """Give every detection of one image its source, and update what is known of those."""
        self.channel(channel)
        floor = self._systematic_deg
        detections = Positions(
            columns.ra,
            columns.dec,
            np.hypot(columns.ra_err_deg, floor),
            np.hypot(columns.dec_err_deg, floor),
        )
        pairs = find_pairs(
            detections,
            self.positions(),
            de_ruiter_limit=de_ruiter_limit,
            distance_limit_deg=distance_limit_deg,
        )
        kept, split = resolve(pairs)
        n = columns.ra.size
        source, radius = np.full(n, -1, np.int64), np.full(n, np.nan)
        is_primary = _first_of_each(kept.detection)
        primary = kept.select(is_primary)
        source[primary.detection] = primary.source
        radius[primary.detection] = primary.de_ruiter_radius
        parent = np.full(n, _NO_PARENT, np.int64)
        parent[split.detection] = split.source
        founders = np.nonzero(source < 0)[0]
        source[founders] = self._found(columns, founders, parent[founders], image)
        self._move(columns, kept)
        self._count(kept.source, source[founders])
        self._add_points(channel, columns, kept.detection, kept.source)
        self._add_points(channel, columns, founders, source[founders])
        return ImageResult(source, radius, kept.select(~is_primary))

    def _found(
        self, columns: MeasuredColumns, founders: IntArray, parents: IntArray, image: int
    ) -> IntArray:
        """Append a source for each founder; a split inherits its parent's statistics."""
        first = self.sources.size
        rows = self.empty_rows(founders.size)
        rows["ra"], rows["dec"] = columns.ra[founders] % 360.0, columns.dec[founders]
        rows["weight_ra"] = _weight(columns.ra_err_deg[founders])
        rows["weight_dec"] = _weight(columns.dec_err_deg[founders])
        rows["parent"] = parents
        rows["is_created"] = True
        rows["first_image"], rows["first_number"] = image, founders
        child = parents != _NO_PARENT
        rows["n_datapoints"][child] = self.sources["n_datapoints"][parents[child]]
        self.sources = np.concatenate([self.sources, rows])
        for table in (self.flux_int, self.flux_peak):
            for channel, moments in table.items():
                grown = new_moments(founders.size)
                grown[child] = moments[parents[child]]
                table[channel] = np.concatenate([moments, grown])
        for channel, largest in self.flux_max.items():
            more = np.full(founders.size, -np.inf)
            more[child] = largest[parents[child]]
            self.flux_max[channel] = np.concatenate([largest, more])
        return np.arange(first, first + founders.size)

    def _move(self, columns: MeasuredColumns, kept: Links) -> None:
        """Move the sources to the new weighted mean of their positions.

        Only the statistical errors are weights: the systematic error does not average down.
        """
        if not kept.source.size:
            return
        rows = self.sources[kept.source]
        weight_east = _weight(columns.ra_err_deg[kept.detection])
        weight_north = _weight(columns.dec_err_deg[kept.detection])
        east, north = tangent_offsets(
            rows["ra"], rows["dec"], columns.ra[kept.detection], columns.dec[kept.detection]
        )
        rows["weight_ra"] += weight_east
        rows["weight_dec"] += weight_north
        rows["ra"], rows["dec"] = move(
            rows["ra"],
            rows["dec"],
            east * weight_east / rows["weight_ra"],
            north * weight_north / rows["weight_dec"],
        )
        self.sources[kept.source] = rows

    def _count(self, *sources: IntArray) -> None:
        touched = np.concatenate(sources)
        self.sources["n_datapoints"][touched] += 1
        self.sources["is_touched"][touched] = True

    def _add_points(
        self, channel: Channel, columns: MeasuredColumns, detection: IntArray, source: IntArray
    ) -> None:
        for table, flux, error in (
            (self.flux_int, columns.flux_int, columns.flux_int_err),
            (self.flux_peak, columns.flux_peak, columns.flux_peak_err),
        ):
            update_moments(table[channel], source, flux[detection], error[detection])
        largest = self.flux_max[channel]
        largest[source] = np.maximum(largest[source], columns.flux_int[detection])

    def variability(self, min_points: int = 2) -> tuple[FloatArray, FloatArray]:
        """Return eta and v of each source in the channel where its eta is largest.

        Channels with fewer than `min_points` points do not count.
        """
        best_eta, best_v = np.zeros(self.sources.size), np.zeros(self.sources.size)
        for channel in sorted(self.flux_int):
            moments = self.flux_int[channel]
            value = np.where(moments["n"] >= min_points, eta(moments), 0.0)
            better = value > best_eta
            best_eta = np.where(better, value, best_eta)
            best_v = np.where(better, v(moments), best_v)
        return best_eta, best_v


def _weight(error: FloatArray) -> FloatArray:
    """Return 1/error^2; an unusable error has no weight."""
    usable = np.isfinite(error) & (error > 0)
    return np.where(usable, 1 / np.where(usable, error, 1.0) ** 2, 0.0)


def _first_of_each(numbers: IntArray) -> npt.NDArray[np.bool_]:
    mask = np.zeros(numbers.size, bool)
    mask[np.unique(numbers, return_index=True)[1]] = True
    return mask
