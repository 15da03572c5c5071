"""Sources that are looked for in earlier images before they are announced."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime

import asyncpg
import numpy as np

from schemas.event_json import event_from_json, event_to_json
from schemas.messages import ImageDetections, ImageMetadata, SourceEvent, SourceOffset
from services.associate.models.catalogue import ChannelKey
from services.associate.models.look_back import (
    FIRST_LOOK_BACK_NUMBER,
    AnnouncedTransient,
    LookBackImage,
    LookBackRow,
    LookBackVerdict,
    PendingLookBack,
    PreviousFluxes,
)
from services.associate.models.solutions import ImageSolution
from services.associate.storage.transaction import Transaction

__all__ = ["LookBackTables"]

_METADATA = tuple(each.name for each in fields(ImageMetadata))
_SOLUTION = (
    "shift_east_arcsec", "shift_north_arcsec", "is_shift_applied", "flux_factor",
    "is_flux_factor_applied",
)  # fmt: skip


class LookBackTables(Transaction):
    """Table `look_back`."""

    async def load_look_back_images(
        self,
        key: ChannelKey,
        field: ImageMetadata,
        before: datetime,
        *,
        limit: int,
        image_keys: Sequence[int],
    ) -> tuple[LookBackImage, ...]:
        """Return earlier images of a channel that may be measured again, in order of time.

        Parameters
        ----------
        key : ChannelKey
            Band and Stokes parameter.
        field : ImageMetadata
            Of the image whose field they overlap.
        before : datetime
            Their exposures start earlier.
        limit : int
            The last ones, at most so many [-].
        image_keys : sequence of int
            Further images.
        """
        band_id, stokes = key
        rows = await self._fetch(
            "select_look_back_images",
            band_id=band_id,
            stokes=stokes,
            before=before,
            limit=limit,
            field_ra=field.field_ra,
            field_dec=field.field_dec,
            field_radius_deg=field.field_radius_deg,
            image_key=list(image_keys),
        )
        return tuple(_to_image(row) for row in rows)

    async def insert_look_backs(self, stream_id: int, rows: Sequence[LookBackRow]) -> None:
        """Store sources that wait for what earlier images show."""
        if not rows:
            return
        await self._execute(
            "insert_look_backs",
            stream_id=stream_id,
            source_id=[row.event.source_id for row in rows],
            image_key=[row.image_key for row in rows],
            image_keys=["{" + ",".join(map(str, row.image_keys)) + "}" for row in rows],
            is_new_by_limit=[row.is_new_by_limit for row in rows],
            event=[event_to_json(row.event) for row in rows],
            time_limit=[row.time_limit for row in rows],
        )

    async def load_look_backs(
        self, stream_id: int, source_ids: Sequence[int]
    ) -> list[PendingLookBack]:
        """Return those of sources that have no verdict, with the answers so far."""
        rows = await self._fetch(
            "select_look_backs",
            stream_id=stream_id,
            source_id=list(source_ids),
            first_number=FIRST_LOOK_BACK_NUMBER,
        )
        return [_to_pending(row) for row in rows]

    async def load_missing_look_backs(
        self, stream_id: int, source_ids: Sequence[int]
    ) -> dict[int, list[str]]:
        """Return the images in which sources without a verdict are still to be measured."""
        rows = await self._fetch(
            "select_missing_look_backs",
            stream_id=stream_id,
            source_id=list(source_ids),
            first_number=FIRST_LOOK_BACK_NUMBER,
        )
        return {row["source_id"]: row["image_id"] for row in rows}

    async def load_overdue(self, stream_id: int, now: datetime) -> list[int]:
        """Return the sources of a stream whose event has waited long enough."""
        rows = await self._fetch("select_overdue", stream_id=stream_id, now=now)
        return [row["source_id"] for row in rows]

    async def mark_overdue(self, source_ids: Sequence[int]) -> None:
        """Note that events of sources wait no longer."""
        await self._execute("mark_overdue", source_id=list(source_ids))

    async def store_verdicts(self, verdicts: Mapping[int, LookBackVerdict]) -> None:
        """Store what earlier images say of sources, by their ids."""
        if not verdicts:
            return
        said = list(verdicts.values())
        await self._execute(
            "store_verdicts",
            source_id=list(verdicts),
            verdict=[each.kind for each in said],
            n_look_back=[each.n_look_back for each in said],
            flux_previous_jy_beam=[each.flux_previous_jy_beam for each in said],
            flux_previous_err_jy_beam=[each.flux_previous_err_jy_beam for each in said],
            time_previous=[each.time_previous for each in said],
        )

    async def confirm_transient(self, transient_id: int) -> None:
        """Note that a transient is certainly new."""
        await self._execute("confirm_transient", transient_id=transient_id)

    async def lock_announced(self, event: SourceEvent) -> AnnouncedTransient | None:
        """Lock the transient that an event has begun; None: there is none, or no longer."""
        rows = await self._fetch(
            "lock_announced", source_id=event.source_id, trig_id=event.trig_id
        )
        if not rows:
            return None
        return AnnouncedTransient(rows[0]["transient_id"], event_from_json(rows[0]["event"]))


def _to_image(row: asyncpg.Record) -> LookBackImage:
    record = ImageDetections(
        image_id=row["image_id"],
        stream="",
        source=SourceOffset(
            cluster_id=row["kafka_cluster_id"],
            topic=row["kafka_topic"],
            partition=row["kafka_partition"],
            offset=row["kafka_offset"],
        ),
        verdict="accepted",
        metadata=ImageMetadata(**{name: row[name] for name in _METADATA}),
        margin_px=row["margin_px"],
    )
    solution = ImageSolution(**{name: row[name] for name in _SOLUTION})
    return LookBackImage(row["image_key"], record, solution, is_late=row["is_late"])


def _to_pending(row: asyncpg.Record) -> PendingLookBack:
    previous = PreviousFluxes(
        np.array(row["flux_jy_beam"], np.float64),
        np.array(row["err_jy_beam"], np.float64),
        tuple(row["times"]),
    )
    return PendingLookBack(
        source_id=row["source_id"],
        band_id=row["band_id"],
        image_key=row["image_key"],
        event=event_from_json(row["event"]),
        is_new_by_limit=row["is_new_by_limit"],
        has_episode=row["has_episode"],
        n_missing=row["n_missing"],
        previous=previous,
    )
