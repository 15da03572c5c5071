"""Transients and what their events have reported."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime

from schemas.messages import SourceEvent
from services.associate.models.decisions import TransientRow
from services.associate.models.evidence import LastNotified, NotifiedSources
from services.associate.storage.transaction import Transaction

__all__ = ["TransientTables"]

_COLUMNS = tuple(each.name for each in fields(TransientRow))


class TransientTables(Transaction):
    """Table `transient`."""

    async def load_last_notified(self, notified: NotifiedSources) -> list[LastNotified]:
        """Return what the last events of sources reported, of those that may be updated."""
        rows = await self._fetch(
            "select_last_notified",
            source_id=list(notified.ids),
            max_updates=notified.max_updates,
            notified_before=notified.notified_before,
        )
        return [LastNotified(**row) for row in rows]

    async def update_last_notified(self, events: Sequence[SourceEvent]) -> frozenset[int]:
        """Store what updates report; return the transients that were not retracted meanwhile.

        Parameters
        ----------
        events : sequence of SourceEvent
            One a transient.
        """
        if not events:
            return frozenset()
        rows = await self._fetch(
            "update_last_notified",
            transient_id=[event.transient_id for event in events],
            last_notified_snr=[event.snr for event in events],
            last_notified_n_bands=[event.n_bands for event in events],
            last_notified_time_start=[event.time_start for event in events],
            last_notified_ra=[event.ra for event in events],
            last_notified_dec=[event.dec for event in events],
            last_notified_ra_err_deg=[event.ra_err_deg for event in events],
            last_notified_dec_err_deg=[event.dec_err_deg for event in events],
        )
        return frozenset(row["id"] for row in rows)

    async def insert_transients(self, rows: Sequence[TransientRow]) -> dict[str, int]:
        """Store transients in their order; return their ids by `event_id`."""
        if not rows:
            return {}
        columns = {name: [getattr(row, name) for row in rows] for name in _COLUMNS}
        stored = await self._fetch("insert_transients", **columns)
        return {row["event_id"]: row["id"] for row in stored}

    async def load_unjudged(self, source_ids: Sequence[int]) -> list[int]:
        """Return those of some sources that another band may contradict."""
        rows = await self._fetch("select_unjudged", source_id=list(source_ids))
        return [row["source_id"] for row in rows]

    async def load_earlier_trig_ids(self, source_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """Return the identities of the episodes of sources, the newest ten of each first."""
        rows = await self._fetch("select_earlier_trig_ids", source_id=list(source_ids))
        return {row["source_id"]: tuple(row["trig_ids"]) for row in rows}

    async def count_quiet_looks(
        self, source_ids: Sequence[int], quiet_looks: int, time_start: datetime
    ) -> None:
        """Count a look that did not detect sources in an episode; enough of them end it."""
        await self._execute(
            "count_quiet_looks",
            source_id=list(source_ids),
            quiet_looks=quiet_looks,
            time_end=time_start,
        )

    async def end_episodes(self, source_ids: Sequence[int], time_start: datetime) -> None:
        """Store when the episodes of sources ended that were still going on."""
        await self._execute("end_episodes", source_id=list(source_ids), time_end=time_start)

    async def raise_peaks(self, peaks: Mapping[int, float], time_start: datetime) -> None:
        """Store the largest flux of episodes that are going on [Jy/beam]."""
        await self._execute(
            "raise_peaks",
            source_id=list(peaks),
            flux_peak_max_jy_beam=list(peaks.values()),
            time_peak=time_start,
        )
