"""Looks of many timesteps that change statistics alone: judged together, stored once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import IntArray
from services.associate.models.catalogue import (
    STATISTICS_DTYPE,
    ChannelKey,
    MeasuredImage,
    RowArray,
)
from services.associate.models.decisions import Columns, StatisticsRows
from services.associate.models.waiting import (
    EarlierStates,
    LookRows,
    ReadyLooks,
    WaitingTimestep,
)
from services.associate.steps.episodes import find_peaks, follow_activity
from services.associate.steps.judgement import (
    JudgedLooks,
    changed_statistics,
    find_contradictable,
    gather_looks,
    judge_looks,
)
from services.associate.steps.rows import FLAG_COLUMNS
from services.associate.steps.updates import find_notified

__all__ = ["QuietJudgement", "group_by_timestep"]

_KEPT = ("n_datapoints", "n_forced", "eta", "v")
_WRITTEN = tuple(
    name
    for name in STATISTICS_DTYPE.names or ()
    if name.startswith("flux_forced") or name in ("n_forced", "change_state")
)


def group_by_timestep(ready: Sequence[ReadyLooks]) -> list[ReadyLooks]:
    """Return ready looks, those of a timestep together, in the order of the timesteps."""
    timesteps = {each.timestep.timestep_id: each.timestep for each in ready}
    ids: dict[int, set[int]] = {}
    for each in ready:
        ids.setdefault(each.timestep.timestep_id, set()).update(each.source_ids)
    return [ReadyLooks(timesteps[number], sorted(ids[number])) for number in sorted(ids)]


@dataclass(slots=True)
class QuietJudgement:
    """Judges looks, timestep by timestep, at sources of which no event can follow.

    Parameters
    ----------
    sources : (n,) structured, `SOURCE_DTYPE`
        As the catalogue has them, in ascending order of id; they change.
    statistics : mapping of structured, `STATISTICS_DTYPE`
        Theirs, by band and Stokes parameter; they change.
    contradictable : set of int
        Those of them that announced a new source which another band may contradict.
    settings : AssociateSettings
        Limits of the tests.

    Attributes
    ----------
    eventful : set of int
        Sources of which events may follow: nothing of them is stored from here.
    """

    sources: RowArray
    statistics: dict[ChannelKey, RowArray]
    contradictable: frozenset[int]
    settings: AssociateSettings
    eventful: set[int] = field(default_factory=set)
    _measured: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    _flagged: set[int] = field(default_factory=set)
    _touched: dict[ChannelKey, set[int]] = field(default_factory=dict)

    def judge(
        self,
        timestep: WaitingTimestep,
        source_ids: Sequence[int],
        images: Sequence[MeasuredImage],
        rows: LookRows,
        before: EarlierStates,
    ) -> None:
        """Judge the looks of one timestep, the next one.

        Parameters
        ----------
        timestep : WaitingTimestep
            The timestep.
        source_ids : sequence of int
            Sources whose looks wait for nothing more.
        images : sequence of MeasuredImage
            Its images in ascending frequency.
        rows : LookRows
            What they measured of the sources.
        before : EarlierStates
            Those that later timesteps have changed, as they were before that.
        """
        self.eventful |= set(source_ids) & (timestep.doubtful_ids | timestep.retracted.keys())
        chosen = np.isin(self.sources["id"], list(set(source_ids) - self.eventful))
        sources = self.sources[chosen]
        if not sources.size or not images:
            return
        candidates, latest, parts = gather_looks(
            timestep,
            images,
            rows.of_sources(sources["id"]),
            sources=sources,
            statistics=_select(self.statistics, sources["id"]),
            before=before.of_sources(sources["id"]),
            settings=self.settings,
        )
        everything = np.ones(sources.size, np.bool_)
        looks = judge_looks(
            candidates,
            parts,
            everything,
            self.settings,
            n_channels=len(timestep.image_keys),
            latest=latest,
        )
        self._apply(looks)

    def _apply(self, looks: JudgedLooks) -> None:
        """Take what follows for sources without events; note the others."""
        rows = looks.candidates.sources.copy()
        is_ended = follow_activity(
            rows,
            looks.images,
            looks.changes,
            is_missed=~looks.candidates.sources["is_detected"],
            quiet_looks=self.settings.episode_quiet_looks,
        )
        _, single = find_contradictable(looks)
        self.eventful |= {int(rows["id"][each.source]) for each in looks.changes}
        self.eventful |= set(find_notified(looks.candidates, looks.judged))
        self.eventful |= set(rows["id"][is_ended].tolist())
        self.eventful |= find_peaks(rows, looks.images).keys()
        self.eventful |= self.contradictable.intersection(single.tolist())
        quiet = ~np.isin(rows["id"], list(self.eventful))
        self._take_sources(looks, rows, quiet)
        for statistics in changed_statistics(looks):
            self._take_statistics(statistics)

    def _take_sources(self, looks: JudgedLooks, rows: RowArray, quiet: Any) -> None:
        eta, v, _ = looks.latest.variability()
        place = np.searchsorted(self.sources["id"], rows["id"])
        latest = looks.latest.sources
        for name in ("n_datapoints", "n_forced"):
            self.sources[name][place[quiet]] = latest[name][quiet]
        columns = [latest[name].tolist() for name in ("n_datapoints", "n_forced")]
        values = zip(rows["id"].tolist(), *columns, eta.tolist(), v.tolist(), strict=True)
        self._measured |= {number: tuple(rest) for number, *rest in values}
        for name in FLAG_COLUMNS[1:]:
            is_flagged = quiet & (rows[name] != looks.candidates.sources[name])
            self._flagged |= set(rows["id"][is_flagged].tolist())
            self.sources[name][place[quiet]] = rows[name][quiet]

    def _take_statistics(self, statistics: StatisticsRows) -> None:
        """Change the rows of a channel as `upsert_forced_statistics.sql` does."""
        key, rows = statistics.key, statistics.rows
        rows = rows[~np.isin(rows["source_id"], list(self.eventful))]
        table = self.statistics.get(key, np.zeros(0, STATISTICS_DTYPE))
        created = rows[~np.isin(rows["source_id"], table["source_id"])].copy()
        for name in created.dtype.names or ():
            if name.startswith(("flux_int_", "flux_peak_")) and name != "flux_int_max_jy":
                created[name] = 0
        known = rows[np.isin(rows["source_id"], table["source_id"])]
        order = np.argsort(table["source_id"])
        place = order[np.searchsorted(table["source_id"], known["source_id"], sorter=order)]
        table = table.copy()
        table["n_datapoints"][place] += known["n_forced"] - table["n_forced"][place]
        largest = np.maximum(table["flux_int_max_jy"][place], known["flux_int_max_jy"])
        table["flux_int_max_jy"][place] = largest
        for name in _WRITTEN:
            table[name][place] = known[name]
        self.statistics[key] = np.concatenate([table, created])
        self._touched.setdefault(key, set()).update(rows["source_id"].tolist())

    def to_statistics(self) -> list[StatisticsRows]:
        """Return the statistics to write."""
        found = []
        for key, ids in sorted(self._touched.items()):
            table = self.statistics[key]
            table = table[np.isin(table["source_id"], list(ids - self.eventful))]
            if table.size:
                found.append(StatisticsRows(key, table, np.ones(table.size, np.bool_)))
        return found

    def to_sources(self) -> Columns | None:
        """Return the numbers of points and the variability to write; None: none."""
        ids = sorted(self._measured.keys() - self.eventful)
        if not ids:
            return None
        values = zip(*(self._measured[number] for number in ids), strict=True)
        return {"id": ids} | dict(zip(_KEPT, map(list, values), strict=True))

    def to_flags(self) -> Columns | None:
        """Return the flags to write; None: none has changed."""
        rows = self.sources[np.isin(self.sources["id"], list(self._flagged - self.eventful))]
        return {name: rows[name] for name in FLAG_COLUMNS} if rows.size else None


def _select(
    statistics: Mapping[ChannelKey, RowArray], ids: IntArray
) -> dict[ChannelKey, RowArray]:
    """Return the rows of some sources, of the channels that have any."""
    chosen = {key: rows[np.isin(rows["source_id"], ids)] for key, rows in statistics.items()}
    return {key: rows for key, rows in chosen.items() if rows.size}
