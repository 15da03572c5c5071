"""Light-curve statistics of candidate sources in one band and Stokes parameter, in memory."""

from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.messages import BoolArray, FloatArray, IntArray
from services.associate.models.catalogue import (
    MOMENT_COLUMNS,
    STATISTICS_DTYPE,
    ChannelKey,
    RowArray,
)
from services.associate.models.change_state import (
    CHANGE_DTYPE,
    ChangeLimits,
    SourceLooks,
    new_change_states,
)
from services.associate.models.decisions import StatisticsRows
from services.associate.steps.change_tests import add_looks
from services.associate.steps.image_result import MeasuredColumns
from sky.row_arrays import join_rows, put_rows, take_rows
from sky.statistics import merge_moments, new_moments, update_moments

__all__ = ["LightCurves"]

AnyArray = npt.NDArray[Any]


class LightCurves:
    """Statistics of the light curves of some sources in one channel, one row a source.

    Parameters
    ----------
    size : int
        Sources; none has a point [-].

    Attributes
    ----------
    blind_int, blind_peak, forced : (n,) structured
        Moments of the integrated and of the peak flux of blind points, and of the flux of forced
        points, as of `new_moments`.
    changes : (n,) structured, `CHANGE_DTYPE`
        State of the tests for changes.
    """

    def __init__(self, size: int) -> None:
        self.blind_int, self.blind_peak = new_moments(size), new_moments(size)
        self.forced = new_moments(size)
        self.changes = new_change_states(size)
        # The largest integrated flux, and how many points the database has.
        self._int_max = np.full(size, -np.inf)
        self._n_stored = np.zeros(size, np.int64)

    def load(self, row: IntArray, table: RowArray) -> None:
        """Start from what the catalogue has: `STATISTICS_DTYPE`, of the sources `row`."""
        for kind, moments in self._moments():
            n_forced = table["n_forced"]
            moments["n"][row] = n_forced if kind == "forced" else table["n_datapoints"] - n_forced
            for name, column in MOMENT_COLUMNS[kind].items():
                moments[name][row] = table[column]
        put_rows(self.changes, row, table["change_state"].view(CHANGE_DTYPE))
        self._int_max[row] = table["flux_int_max_jy"]
        self._n_stored[row] = table["n_datapoints"]

    def _moments(self) -> tuple[tuple[str, RowArray], ...]:
        """Return the moments by the kinds of `MOMENT_COLUMNS`."""
        return ("int", self.blind_int), ("peak", self.blind_peak), ("forced", self.forced)

    def _n_points(self) -> IntArray:
        """Return the points of each source, blind and forced."""
        return np.asarray(self.blind_int["n"] + self.forced["n"], np.int64)

    def changed(self) -> IntArray:
        """Return the sources of which the database does not have all points."""
        return np.flatnonzero(self._n_points() != self._n_stored)

    def rows_of(self, key: ChannelKey, ids: IntArray, row: IntArray) -> StatisticsRows:
        """Return the rows of some sources to store; `ids` of all sources."""
        n_points = self._n_points()
        table = np.zeros(row.size, STATISTICS_DTYPE)
        table["source_id"] = ids[row]
        table["n_datapoints"] = n_points[row]
        table["n_forced"] = self.forced["n"][row]
        for kind, moments in self._moments():
            for name, column in MOMENT_COLUMNS[kind].items():
                table[column] = moments[name][row]
        table["flux_int_max_jy"] = self._int_max[row]
        changes = take_rows(self.changes, row)
        table["change_state"] = changes.view(table.dtype["change_state"])
        return StatisticsRows(key, table, self._n_stored[row] > 0)

    def append(self, n: int, child: BoolArray, parents: IntArray) -> None:
        """Append `n` sources; those of the mask `child` inherit the blind points of `parents`.

        Of blind points alone: forced points and looks of the parent may not be judged yet.
        """
        self.blind_int, self.blind_peak = (
            _appended(moments, new_moments(n), child, parents)
            for moments in (self.blind_int, self.blind_peak)
        )
        self.forced = join_rows([self.forced, new_moments(n)])
        self.changes = join_rows([self.changes, new_change_states(n)])
        self._int_max = _appended(self._int_max, np.full(n, -np.inf), child, parents)
        self._n_stored = np.concatenate([self._n_stored, np.zeros(n, np.int64)])

    def add_points(self, columns: MeasuredColumns, detection: IntArray, source: IntArray) -> None:
        """Add detections to the light curves of their sources."""
        if not source.size:
            return
        for moments, flux, error in (
            (self.blind_int, columns.flux_int, columns.flux_int_err),
            (self.blind_peak, columns.flux_peak, columns.flux_peak_err),
        ):
            value, sigma = flux[detection], error[detection]
            usable = np.isfinite(value) & np.isfinite(sigma) & (sigma > 0)
            update_moments(moments, source[usable], value[usable], sigma[usable])
        largest = self._int_max
        largest[source] = np.fmax(largest[source], columns.flux_int[detection])

    def add_forced(self, source: IntArray, flux: FloatArray, error: FloatArray) -> None:
        """Add forced points [Jy/beam] to sources, each at most once."""
        update_moments(self.forced, source, flux, error)
        self._int_max[source] = np.fmax(self._int_max[source], flux)

    def look(
        self,
        source: IntArray,
        detection: IntArray,
        *,
        flux: FloatArray,
        error: FloatArray,
        limits: ChangeLimits,
    ) -> SourceLooks:
        """Test sources for changes: `detection` numbers their peak fluxes [Jy/beam]."""
        value, sigma = flux[detection], error[detection]
        usable = np.isfinite(value) & np.isfinite(sigma) & (sigma > 0)
        looks = add_looks(self.changes, source[usable], value[usable], sigma[usable], limits)
        return SourceLooks(source[usable], detection[usable], looks)

    def all_points(self) -> RowArray:
        """Return the moments of the integrated flux, forced points included."""
        return merge_moments(self.blind_int, self.forced)


def _appended(known: AnyArray, new: AnyArray, child: BoolArray, parents: IntArray) -> AnyArray:
    new[child] = known[parents]
    return np.concatenate([known, new])
