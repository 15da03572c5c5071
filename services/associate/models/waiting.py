"""Looks that are judged later: in the order of their timesteps, each with all its answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.messages import BoolArray, IntArray
from services.associate.models.catalogue import (
    SOURCE_DTYPE,
    STATISTICS_DTYPE,
    ChannelKey,
    RowArray,
)
from sky.id_sets import is_in, unique_ids
from sky.row_arrays import join_rows, put_rows

__all__ = [
    "MEASURED_COLUMNS",
    "NO_DOUBT",
    "Doubtful",
    "EarlierStates",
    "LookRows",
    "ReadyLooks",
    "UnansweredRequest",
    "WaitingRow",
    "WaitingTimestep",
    "decode_states",
    "encode_states",
    "merge_states",
]

# Columns of a measurement in table `detection`, as `select_looks.sql` returns them, too.
MEASURED_COLUMNS = (
    "ra", "dec", "ra_err_deg", "dec_err_deg", "flux_peak_jy_beam", "flux_peak_err_jy_beam",
    "flux_int_jy", "flux_int_err_jy", "snr", "rms_local_jy_beam", "major_arcsec", "minor_arcsec",
    "pa_deg", "quality_flags", "p_false",
)  # fmt: skip
_CHANNEL_DTYPE = np.dtype(
    [("band_id", np.int32), ("stokes", "S4"), ("row", STATISTICS_DTYPE)]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Sources that leave the catalogue if no measurement confirms them.

    Parameters
    ----------
    quiet_ids, active_ids : (k,) int64
        Those that do if they are in no episode, and if they are in one: a source may be in both.
    """

    quiet_ids: IntArray
    active_ids: IntArray

    def all_ids(self) -> IntArray:
        """Return all of them, ascending."""
        return unique_ids(np.concatenate([self.quiet_ids, self.active_ids]))

    def among(self, ids: npt.ArrayLike) -> "Doubtful":
        """Return those that are among some sources."""
        return Doubtful(
            self.quiet_ids[is_in(self.quiet_ids, ids)],
            self.active_ids[is_in(self.active_ids, ids)],
        )


NO_DOUBT = Doubtful(np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """Looks of a timestep that are judged later.

    Parameters
    ----------
    image_keys : sequence of int
        Accepted images in ascending frequency.
    source_ids : (n,) int64
        Sources whose looks wait.
    doubtful : Doubtful
        Those of them that leave the catalogue if no measurement confirms them.
    before : EarlierStates
        Sources that waited before, as they were before this timestep changed them.
    requests : mapping
        Ids of the sources to be measured by the key of the image.
    retracted : mapping
        Those of them that turned out to be a moving object, and the reason for the subscribers.
    """

    image_keys: Sequence[int]
    source_ids: IntArray
    doubtful: Doubtful
    before: "EarlierStates"
    requests: Mapping[int, IntArray]
    retracted: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WaitingTimestep:
    """A timestep in which looks at some sources wait.

    `source_ids` are these, `unanswered_ids` those of them that a request is under way for;
    `doubtful_ids` may leave the catalogue, as `doubtful` says; `retracted` has why the first
    events of some sources are taken back.
    """

    timestep_id: int
    time_start: datetime
    image_keys: Sequence[int]
    source_ids: frozenset[int]
    doubtful_ids: frozenset[int]
    unanswered_ids: frozenset[int]
    retracted: Mapping[int, str] = field(default_factory=dict)
    doubtful: Doubtful = NO_DOUBT


@dataclass(frozen=True, slots=True)
class UnansweredRequest:
    """Sources of a request about an image that have no answer."""

    timestep_id: int
    image_id: str
    source_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class ReadyLooks:
    """Sources whose looks in a timestep wait for nothing more, in ascending order of id."""

    timestep: WaitingTimestep
    source_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class EarlierStates:
    """Sources (n,) in ascending order of id, and their statistics by channel."""

    sources: RowArray
    statistics: Mapping[ChannelKey, RowArray]

    def of_sources(self, ids: IntArray) -> "EarlierStates":
        """Return those of some sources."""
        return EarlierStates(
            self.sources[np.isin(self.sources["id"], ids)],
            {key: rows[np.isin(rows["source_id"], ids)] for key, rows in self.statistics.items()},
        )


@dataclass(frozen=True, slots=True)
class LookRows:
    """Measurements of sources in the images of a timestep; (n,) each.

    `columns` are those of `MEASURED_COLUMNS`; `is_shared`: it belongs to another source first.
    """

    source_id: IntArray
    image_key: IntArray
    source_number: IntArray
    extraction_type: Sequence[str]
    is_shared: Sequence[bool]
    columns: Mapping[str, Any]

    def of_sources(self, ids: IntArray) -> "LookRows":
        """Return those of some sources."""
        return self._select(np.isin(self.source_id, ids))

    def of_images(self, image_keys: Sequence[int]) -> "LookRows":
        """Return those of some images."""
        return self._select(np.isin(self.image_key, np.array(image_keys, np.int64)))

    def _select(self, chosen: BoolArray) -> "LookRows":
        places = np.flatnonzero(chosen).tolist()
        return LookRows(
            self.source_id[chosen],
            self.image_key[chosen],
            self.source_number[chosen],
            [self.extraction_type[each] for each in places],
            [self.is_shared[each] for each in places],
            {name: column[chosen] for name, column in self.columns.items()},
        )


def encode_states(states: EarlierStates) -> tuple[bytes, bytes]:
    """Return sources and statistics as binary records."""
    tables = []
    for (band_id, stokes), rows in states.statistics.items():
        table = np.zeros(rows.size, _CHANNEL_DTYPE)
        table["band_id"], table["stokes"] = band_id, stokes.encode()
        put_rows(table["row"], slice(None), rows)
        tables.append(table)
    statistics = join_rows([np.zeros(0, _CHANNEL_DTYPE), *tables])
    return states.sources.tobytes(), statistics.tobytes()


def decode_states(sources: bytes, statistics: bytes) -> EarlierStates:
    """Return what `encode_states` was given."""
    table = np.frombuffer(statistics, _CHANNEL_DTYPE)
    found: dict[ChannelKey, RowArray] = {}
    for band_id, stokes in {(row["band_id"].item(), row["stokes"]) for row in table}:
        chosen = (table["band_id"] == band_id) & (table["stokes"] == stokes)
        found[band_id, stokes.decode()] = table["row"][chosen]
    return EarlierStates(np.frombuffer(sources, SOURCE_DTYPE), found)


def merge_states(states: Sequence[EarlierStates], source_ids: IntArray) -> EarlierStates:
    """Return the first state of each of some sources; `states` in the order of their time."""
    sources: list[RowArray] = [np.zeros(0, SOURCE_DTYPE)]
    statistics: dict[ChannelKey, list[RowArray]] = {}
    wanted = np.unique(source_ids)
    for state in states:
        found = wanted[np.isin(wanted, state.sources["id"])]
        if not found.size:
            continue
        sources.append(state.sources[np.isin(state.sources["id"], found)])
        for key, table in state.statistics.items():
            rows = table[np.isin(table["source_id"], found)]
            statistics.setdefault(key, []).append(rows)
        wanted = np.setdiff1d(wanted, found)
    merged = np.concatenate(sources)
    return EarlierStates(
        merged[np.argsort(merged["id"])],
        {key: np.concatenate(tables) for key, tables in statistics.items()},
    )
