"""The part of the running catalogue around a timestep's detections, in memory."""

from collections.abc import Mapping

import numpy as np

from schemas.messages import BoolArray, FloatArray, IntArray
from services.associate.models.catalogue import SOURCE_DTYPE, ChannelKey, RowArray
from services.associate.models.change_state import ChangeLimits, SourceLooks
from services.associate.models.decisions import StatisticsRows
from services.associate.steps.image_result import ImageResult, MeasuredColumns
from services.associate.steps.inheritance import Claims, find_heirs
from services.associate.steps.light_curves import LightCurves
from services.associate.steps.matching import (
    Links,
    Positions,
    find_pairs,
    is_first_of_each,
    resolve,
)
from services.associate.steps.variability import Variability, find_variability
from sky.geometry import move, tangent_offsets
from sky.id_sets import is_in
from sky.row_arrays import join_rows
from sky.statistics import eta, v

__all__ = ["CandidateSources"]

# `parent` is the row of the source it was split from, `image` the number of the image that
# created it; -1 where there is none. `is_seen_late`: late images alone have detected it before.
_DTYPE = np.dtype(
    [
        *SOURCE_DTYPE.descr,
        ("parent", np.int64), ("image", np.int64), ("is_created", "?"), ("is_detected", "?"),
        ("is_seen_late", "?"),
    ]
)  # fmt: skip
_NO_PARENT = -1


class CandidateSources:
    """Sources near a timestep's detections, with their light-curve statistics.

    Parameters
    ----------
    systematic_deg : float
        Floor of every position error, per axis; does not average down [deg].
    """

    def __init__(self, systematic_deg: float) -> None:
        self._systematic_deg = systematic_deg
        self.sources = np.zeros(0, _DTYPE)
        self._curves: dict[ChannelKey, LightCurves] = {}

    def load(self, sources: RowArray, statistics: Mapping[ChannelKey, RowArray]) -> None:
        """Start from catalogue rows.

        Parameters
        ----------
        sources : (n,) structured, `SOURCE_DTYPE`
            In ascending order of id.
        statistics : mapping of (k,) structured, `STATISTICS_DTYPE`
            Of those sources, by band and Stokes parameter.
        """
        self.sources = np.zeros(sources.size, _DTYPE)
        self.sources["parent"] = self.sources["image"] = _NO_PARENT
        for name in SOURCE_DTYPE.names or ():
            self.sources[name] = sources[name]
        for key, table in statistics.items():
            row = np.searchsorted(sources["id"], table["source_id"])
            self._curves_of(key).load(row, table)

    def note_seen_late(self, ids: IntArray) -> None:
        """Note which sources late images alone have detected."""
        self.sources["is_seen_late"] = is_in(self.sources["id"], ids)

    def _curves_of(self, key: ChannelKey) -> LightCurves:
        """Return the light curves of a channel, empty ones of a new channel."""
        if key not in self._curves:
            self._curves[key] = LightCurves(self.sources.size)
        return self._curves[key]

    def _in_order(self) -> list[tuple[ChannelKey, LightCurves]]:
        """Return the channels in ascending order: what depends on it is the same each time."""
        return [(key, self._curves[key]) for key in sorted(self._curves)]

    def n_created(self) -> int:
        """Return how many sources were created."""
        return int(np.count_nonzero(self.sources["is_created"]))

    def changed_statistics(self, ids: IntArray) -> list[StatisticsRows]:
        """Return the statistics that the database does not have yet; `ids` of all sources."""
        return [curves.rows_of(key, ids, curves.changed()) for key, curves in self._in_order()]

    def statistics_of(self, key: ChannelKey, ids: IntArray, row: IntArray) -> StatisticsRows:
        """Return the statistics of some sources in one channel; `ids` of all sources."""
        return self._curves[key].rows_of(key, ids, row)

    def positions(self, systematic_deg: float | None = None) -> Positions:
        """Return the positions of the sources; the systematic error is a floor in quadrature.

        Parameters
        ----------
        systematic_deg : float or None
            Floor for the band that they are compared with; None: that of every band [deg].
        """
        floor_deg = self._systematic_deg if systematic_deg is None else systematic_deg
        return _positions_of(self.sources, floor_deg)

    def associate(
        self,
        key: ChannelKey,
        columns: MeasuredColumns,
        *,
        image: int,
        de_ruiter_limit: float,
        distance_limit_deg: float,
        systematic_deg: float | None = None,
    ) -> ImageResult:
        """Match the detections of one image, the `image`-th, and update their sources."""
        curves = self._curves_of(key)
        floor = self._systematic_deg if systematic_deg is None else systematic_deg
        detections = Positions(
            columns.ra,
            columns.dec,
            np.hypot(columns.ra_err_deg, floor),
            np.hypot(columns.dec_err_deg, floor),
        )
        pairs = find_pairs(
            detections,
            self.positions(floor),
            de_ruiter_limit=de_ruiter_limit,
            distance_limit_deg=distance_limit_deg,
        )
        kept, split = resolve(pairs)
        n = columns.ra.size
        source, radius = np.full(n, -1, np.int64), np.full(n, np.nan)
        is_primary = is_first_of_each(kept.detection)
        primary = kept.select(is_primary)
        source[primary.detection] = primary.source
        radius[primary.detection] = primary.de_ruiter_radius
        parent = np.full(n, _NO_PARENT, np.int64)
        inherits = _find_heirs(curves, columns, kept, split)
        parent[split.detection[inherits]] = split.source[inherits]
        first_detections = np.nonzero(source < 0)[0]
        source[first_detections] = self._create(
            columns, first_detections, parent[first_detections], image
        )
        self._move(columns, kept)
        self._count(kept.source, source[first_detections])
        curves.add_points(columns, kept.detection, kept.source)
        curves.add_points(columns, first_detections, source[first_detections])
        near_known = split.detection[~inherits]
        touched = Links(
            np.concatenate([kept.detection, first_detections]),
            np.concatenate([kept.source, source[first_detections]]),
            np.concatenate([kept.de_ruiter_radius, radius[first_detections]]),
        )
        return ImageResult(source, radius, kept.select(~is_primary), near_known, touched)

    def _create(
        self, columns: MeasuredColumns, first_detections: IntArray, parents: IntArray, image: int
    ) -> IntArray:
        """Append a source for each first detection; a split inherits its parent's statistics."""
        if not first_detections.size:
            return first_detections
        first = self.sources.size
        rows = np.zeros(first_detections.size, _DTYPE)
        rows["ra"], rows["dec"] = (
            columns.ra[first_detections] % 360.0,
            columns.dec[first_detections],
        )
        rows["search_ra"], rows["search_dec"] = rows["ra"], rows["dec"]
        rows["weight_ra"] = _weight(columns.ra_err_deg[first_detections])
        rows["weight_dec"] = _weight(columns.dec_err_deg[first_detections])
        rows["parent"] = parents
        rows["is_created"] = True
        rows["image"], rows["first_source_number"] = image, first_detections
        child = parents != _NO_PARENT
        known = self.sources[parents[child]]
        rows["n_datapoints"][child] = known["n_datapoints"] - known["n_forced"]
        self.sources = join_rows([self.sources, rows])
        for curves in self._curves.values():
            curves.append(first_detections.size, child, parents[child])
        return np.arange(first, first + first_detections.size)

    def _move(self, columns: MeasuredColumns, kept: Links) -> None:
        """Move the sources to the new weighted mean of their positions.

        Only the statistical errors are weights: the systematic error does not average down.
        """
        if not kept.source.size:
            return
        rows, source = self.sources, kept.source
        ra, dec = rows["ra"][source], rows["dec"][source]
        weight_east = _weight(columns.ra_err_deg[kept.detection])
        weight_north = _weight(columns.dec_err_deg[kept.detection])
        east, north = tangent_offsets(
            ra, dec, columns.ra[kept.detection], columns.dec[kept.detection]
        )
        total_east = rows["weight_ra"][source] + weight_east
        total_north = rows["weight_dec"][source] + weight_north
        rows["ra"][source], rows["dec"][source] = move(
            ra, dec, east * weight_east / total_east, north * weight_north / total_north
        )
        rows["weight_ra"][source], rows["weight_dec"][source] = total_east, total_north

    def _count(self, *sources: IntArray) -> None:
        touched = np.concatenate(sources)
        self.sources["n_datapoints"][touched] += 1
        self.sources["is_detected"][touched] = True

    def with_positions(
        self, sources: RowArray, statistics: Mapping[ChannelKey, RowArray]
    ) -> "CandidateSources":
        """Return the sources with other positions and blind points; the rest is copied."""
        other = CandidateSources(self._systematic_deg)
        other.load(sources, statistics)
        for key, curves in self._curves.items():
            copied = other._curves_of(key)
            copied.forced, copied.changes = curves.forced.copy(), curves.changes.copy()
        rows = other.sources
        rows["n_datapoints"] += self.sources["n_forced"] - rows["n_forced"]
        rows["n_forced"] = self.sources["n_forced"]
        return other

    def look(
        self,
        key: ChannelKey,
        source: IntArray,
        detection: IntArray,
        *,
        flux: FloatArray,
        error: FloatArray,
        limits: ChangeLimits,
    ) -> SourceLooks:
        """Test sources for changes: `detection` numbers their peak fluxes [Jy/beam]."""
        return self._curves[key].look(source, detection, flux=flux, error=error, limits=limits)

    def add_forced(
        self, key: ChannelKey, source: IntArray, flux: FloatArray, error: FloatArray
    ) -> None:
        """Add forced points [Jy/beam] in one channel to sources, each at most once."""
        self._curves_of(key).add_forced(source, flux, error)
        for name in ("n_datapoints", "n_forced"):
            self.sources[name][source] += 1

    def variability(self, min_points: int = 2) -> tuple[FloatArray, FloatArray, IntArray]:
        """Return eta and v of each source in the channel where its eta is largest, and its points.

        Of integrated fluxes, forced points included. Channels with fewer than `min_points` points
        do not count.
        """
        best_eta, best_v = np.zeros(self.sources.size), np.zeros(self.sources.size)
        n_points = np.zeros(self.sources.size, np.int64)
        for _, curves in self._in_order():
            moments = curves.all_points()
            value = np.where(moments["n"] >= min_points, eta(moments), 0.0)
            better = value > best_eta
            best_eta = np.where(better, value, best_eta)
            best_v = np.where(better, v(moments), best_v)
            n_points = np.where(better, moments["n"], n_points)
        return best_eta, best_v, n_points

    def variability_of(self, source: int) -> Variability:
        """Return the variability of one source, by kind of flux and of points."""
        one = slice(source, source + 1)
        return find_variability(
            (curves.blind_int[one], curves.blind_peak[one], curves.forced[one])
            for _, curves in self._in_order()
        )

    @property
    def systematic_deg(self) -> float:
        """Systematic error in every position error, per axis, 1 sigma [deg]."""
        return self._systematic_deg

    def position_errors_deg(self, source: int) -> tuple[float, float]:
        """Return the 1 sigma errors of a source's RA and Dec on the sky [deg]."""
        row = _positions_of(self.sources[source : source + 1], self._systematic_deg)
        return float(row.east_err[0]), float(row.north_err[0])


def _find_heirs(
    curves: LightCurves, columns: MeasuredColumns, kept: Links, split: Links
) -> BoolArray:
    """Return which splits inherit: their fluxes are compatible with their source's."""
    if not split.source.size:
        return np.zeros(0, np.bool_)
    peak = curves.blind_peak
    known = peak["n"] > 0
    with np.errstate(divide="ignore"):
        known_err = 1 / np.sqrt(peak["weight"])
    claims = [
        Claims(
            links.source,
            columns.flux_peak[links.detection],
            columns.flux_peak_err[links.detection],
        )
        for links in (split, kept)
    ]
    return find_heirs(
        *claims,
        known_flux=np.where(known, peak["wmean"], np.nan),
        known_err=np.where(known, known_err, np.nan),
    )


def _positions_of(rows: RowArray, floor_deg: float) -> Positions:
    with np.errstate(divide="ignore"):
        east, north = 1 / rows["weight_ra"], 1 / rows["weight_dec"]
    floor = floor_deg**2
    return Positions(rows["ra"], rows["dec"], np.sqrt(east + floor), np.sqrt(north + floor))


def _weight(error: FloatArray) -> FloatArray:
    """Return 1/error^2; an unusable error has no weight."""
    usable = np.isfinite(error) & (error > 0)
    return np.where(usable, 1 / np.where(usable, error, 1.0) ** 2, 0.0)
