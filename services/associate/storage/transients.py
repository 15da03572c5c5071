"""Transients and what their events have reported."""

from dataclasses import fields

from schemas.messages import SourceEvent
from services.associate.models.catalogue import LastNotified, NotifiedSources
from services.associate.models.decisions import TransientRow
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

    async def update_last_notified(self, event: SourceEvent) -> bool:
        """Store what an update reports; False if the transient was retracted meanwhile."""
        updated: int | None = await self._fetchval(
            "update_last_notified",
            transient_id=event.transient_id,
            last_notified_snr=event.snr,
            last_notified_n_bands=event.n_bands,
            last_notified_time_start=event.time_start,
            last_notified_ra=event.ra,
            last_notified_dec=event.dec,
            last_notified_ra_err_deg=event.ra_err_deg,
            last_notified_dec_err_deg=event.dec_err_deg,
        )
        return updated is not None

    async def insert_transient(self, row: TransientRow) -> int:
        """Store a transient and return its id."""
        return int(
            await self._fetchval(
                "insert_transient", **{name: getattr(row, name) for name in _COLUMNS}
            )
        )
