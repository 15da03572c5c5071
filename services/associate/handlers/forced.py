"""Answers to forced requests become points of light curves, and may deny a new source."""

import math

from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage
from runtime.logging import get_logger
from runtime.settings import AssociateSettings
from schemas.codec import CodecError, decode_forced_measurements
from schemas.messages import ForcedMeasurements
from services.associate.metrics import CONTRADICTED, FORCED
from services.associate.steps.answers import take_answer
from services.associate.storage import CatalogueStore

__all__ = ["ForcedHandler"]


class ForcedHandler:
    """Stores forced measurements; a repeated answer changes nothing.

    Parameters
    ----------
    store : CatalogueStore
        Where to.
    knobs : AssociateSettings
        What a contradiction is.
    topic : str
        Where retractions go.
    """

    def __init__(self, store: CatalogueStore, knobs: AssociateSettings, topic: str) -> None:
        self._store = store
        self._knobs = knobs
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
            trig_ids = await take_answer(catalogue, answer, knobs=self._knobs, topic=self._topic)
        for reason in answer.measurements.reason:
            FORCED.labels(reason or "measured").inc()
        CONTRADICTED.inc(len(trig_ids))
        if trig_ids:
            get_logger().info(
                "transients_contradicted",
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
