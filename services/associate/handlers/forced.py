"""Answers to forced requests become points of light curves, and may deny a new source."""

import math

from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage
from runtime.logging import get_logger
from runtime.settings import AssociateSettings
from schemas.codec import CodecError, decode_forced_measurements
from schemas.messages import ForcedMeasurements
from services.associate.metrics import FORCED, SPECTRAL_CONFLICTS
from services.associate.steps.forced_results import store_forced_result
from services.associate.storage import CatalogueStore

__all__ = ["ForcedHandler"]


class ForcedHandler:
    """Stores forced measurements; a repeated answer changes nothing.

    Parameters
    ----------
    store : CatalogueStore
        Where to.
    settings : AssociateSettings
        What a contradiction is.
    topic : str
        Where retractions go.
    """

    def __init__(self, store: CatalogueStore, settings: AssociateSettings, topic: str) -> None:
        self._store = store
        self._settings = settings
        self._topic = topic

    async def on_message(self, message: InMessage) -> bool:
        """Store one answer.

        Returns
        -------
        bool
            Whether it has left something in the outbox.

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
        async with self._store.transaction() as catalogue:
            trig_ids = await store_forced_result(
                catalogue, answer, settings=self._settings, topic=self._topic
            )
        for reason in answer.measurements.reason:
            FORCED.labels(reason or "measured").inc()
        SPECTRAL_CONFLICTS.inc(len(trig_ids))
        if trig_ids:
            get_logger().info(
                "transients_retracted",
                stream=answer.stream, image_id=answer.image_id, trig_ids=trig_ids,
            )  # fmt: skip
        return bool(trig_ids)


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
