"""Answers to forced requests become points of light curves."""

import math

from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage
from schemas.codec import CodecError, decode_forced_measurements
from schemas.messages import ForcedMeasurements
from services.associate.metrics import FORCED
from services.associate.storage import CatalogueStore

__all__ = ["ForcedHandler"]


class ForcedHandler:
    """Stores forced measurements; a repeated answer changes nothing.

    Parameters
    ----------
    store : CatalogueStore
        Where to.
    """

    def __init__(self, store: CatalogueStore) -> None:
        self._store = store

    async def on_message(self, message: InMessage) -> None:
        """Store one answer.

        Raises
        ------
        RejectedMessageError
            Codes ``bad_avro`` and ``bad_flux``, or what PostgreSQL refuses.
        TransientError
            If PostgreSQL is away.
        """
        try:
            answer = decode_forced_measurements(message.value)
        except CodecError as error:
            raise RejectedMessageError("bad_avro", str(error)) from error
        _check(answer)
        await self._store.store_forced(answer)
        for reason in answer.measurements.reason:
            FORCED.labels(reason or "measured").inc()


def _check(answer: ForcedMeasurements) -> None:
    columns = answer.measurements
    for flux, error, rms, reason, kind in zip(
        columns.flux_peak_jy_beam, columns.flux_peak_err_jy_beam, columns.rms_local_jy_beam,
        columns.reason, columns.extraction_type, strict=True,
    ):  # fmt: skip
        usable = math.isfinite(flux) and math.isfinite(error) and error > 0 and rms > 0
        if not reason and not usable:
            raise RejectedMessageError(
                "bad_flux", f"image {answer.image_id}: flux {flux} +- {error}, rms {rms}"
            )
        if kind not in ("forced", "monitor"):
            raise RejectedMessageError("bad_flux", f"extraction type {kind!r} is unknown")
