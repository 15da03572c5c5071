"""Stamps: which are wanted, what is asked for, what has come."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import asyncpg
import numpy as np

from schemas.messages import SourceOffset, StampFile
from services.associate.models.stamps import StampImage, StampPlan, StampTransient
from services.associate.storage.transaction import Transaction
from sky.coverage import MAX_ORDER, cells_around

__all__ = ["StampTables"]


class StampTables(Transaction):
    """Tables `stamp` and `stamp_file`."""

    async def lock_unstamped(self, limit: int) -> list[StampTransient]:
        """Lock transients whose stamps nobody has asked for, and return them.

        Parameters
        ----------
        limit : int
            Transients at most [-].
        """
        return [_to_transient(row) for row in await self._fetch("lock_unstamped", limit=limit)]

    async def load_stamp_images(
        self, transient: StampTransient, *, limit: int
    ) -> list[StampImage]:
        """Return images from before a transient that may show its place, the latest first.

        Parameters
        ----------
        transient : StampTransient
            With the image of its detection.
        limit : int
            Images beside the deepest ones, at most [-].
        """
        image = transient.image
        orders = await self._fetch(
            "select_coverage_orders",
            band_id=transient.band_id,
            stokes=image.stokes,
            max_order=MAX_ORDER,
        )
        cells = cells_around(
            np.array([transient.ra]), np.array([transient.dec]), [row["k"] for row in orders]
        )
        rows = await self._fetch(
            "select_stamp_images",
            band_id=transient.band_id,
            stokes=image.stokes,
            before=image.time_start,
            ra=transient.ra,
            dec=transient.dec,
            cell=cells,
            limit=limit,
        )
        return [_to_image(row) for row in rows]

    async def insert_stamps(
        self, transients: Sequence[StampTransient], plans: Sequence[StampPlan]
    ) -> None:
        """Store the stamps of transients, and that they are asked for."""
        await self._execute("insert_stamps", **_to_columns(plans))
        await self._execute(
            "mark_stamped", transient_id=[each.transient_id for each in transients]
        )

    async def store_stamps(self, stamps: Sequence[StampFile]) -> None:
        """Store what has come; what is there already stays."""
        await self._execute(
            "store_stamps",
            stamp_id=[each.stamp_id for each in stamps],
            data=[each.data for each in stamps],
            sha256=[hashlib.sha256(each.data).hexdigest() for each in stamps],
            reason=[each.reason for each in stamps],
        )

    async def give_up_stamps(self, before: datetime, reason: str) -> None:
        """Note that no answer comes to what was asked before a time."""
        await self._execute("give_up_stamps", before=before, reason=reason)

    async def delete_expired_stamps(
        self, before: datetime, *, max_bytes: int, reason: str, limit: int
    ) -> int:
        """Delete the files that are older than a time or beyond a size; return how many.

        Parameters
        ----------
        before : datetime
            Older ones are deleted.
        max_bytes : int
            Of all files together; the oldest leave first [byte].
        reason : str
            Code that is noted instead.
        limit : int
            Files at most [-].
        """
        [row] = await self._fetch(
            "delete_expired_stamps",
            before=before,
            max_bytes=max_bytes,
            reason=reason,
            limit=limit,
        )
        return int(row["n_stamps"])


def _to_image(row: asyncpg.Record) -> StampImage:
    return StampImage(
        image_key=row["image_key"],
        image_id=row["image_id"],
        time_start=row["time_start"],
        freq_eff_hz=row["freq_eff_hz"],
        stokes=row["stokes"],
        rms_jy_beam=row["rms_jy_beam"],
        wcs_header=row["wcs_header"],
        width_px=row["width_px"],
        height_px=row["height_px"],
        source=SourceOffset(
            cluster_id=row["kafka_cluster_id"],
            topic=row["kafka_topic"],
            partition=row["kafka_partition"],
            offset=row["kafka_offset"],
        ),
    )


def _to_transient(row: asyncpg.Record) -> StampTransient:
    return StampTransient(
        transient_id=row["transient_id"],
        trig_id=row["trig_id"],
        source_id=row["source_id"],
        stream_id=row["stream_id"],
        stream=row["stream"],
        ra=row["ra"],
        dec=row["dec"],
        band_id=row["band_id"],
        image=_to_image(row),
    )


def _to_columns(plans: Sequence[StampPlan]) -> dict[str, list[object]]:
    """Return the parameters of `insert_stamps`."""
    images = [each.image for each in plans]
    transients = [each.transient for each in plans]
    return {
        "stamp_id": [each.stamp_id for each in plans],
        "role": [each.role for each in plans],
        "reason": [each.reason for each in plans],
        **{
            name: [getattr(each, name) for each in transients]
            for name in ("trig_id", "transient_id", "source_id", "stream_id", "ra", "dec")
        },
        **{
            name: [None if each is None else getattr(each, name) for each in images]
            for name in (
                "image_key", "image_id", "time_start", "freq_eff_hz", "stokes", "rms_jy_beam",
            )
        },
    }  # fmt: skip
