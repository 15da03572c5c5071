"""Stamps of announced sources: asked for and stored while nothing else waits."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from runtime.errors import (
    FatalError,
    RejectedMessageError,
    TransientError,
    describe_exception,
)
from runtime.kafka import InMessage
from runtime.logging import get_logger
from runtime.settings import AssociateSettings
from schemas.codec import CodecError, decode_image_stamps
from schemas.messages import ImageStamps
from schemas.reasons import MessageReason, StampReason
from schemas.topics import Topics
from services.associate.metrics import STAMPS
from services.associate.steps.stamps import plan_stamps
from services.associate.storage import CatalogueStore

__all__ = ["StampHandler"]

# Transients in one transaction, and how often it is looked for them: soon after images or answers
# came, seldom while images wait and where nothing happens.
_MOST_TRANSIENTS = 20
_POLL_S, _BUSY_POLL_S = 0.2, 2.0
# Images that are tried for the one before: fields may overlap in turn.
_IMAGES_IN_TURN = 4
_ANSWER_WITHIN = timedelta(hours=1)
_EXPIRY_EVERY_S = 300.0
_MOST_EXPIRED = 20_000
_FITS = b"SIMPLE  ="
_EVER = datetime(1, 1, 1, tzinfo=UTC)


class StampHandler:
    """Asks for the stamps of transients after their events, and stores what comes.

    Parameters
    ----------
    store : CatalogueStore
        The catalogue.
    settings : AssociateSettings
        Whether there are stamps, and how long their pixels stay.
    topics : Topics
        Where the requests go.
    clock : callable
        Returns the time [s].
    """

    def __init__(
        self,
        store: CatalogueStore,
        settings: AssociateSettings,
        topics: Topics,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._store = store
        self._settings = settings
        self._topics = topics
        self._n_at_once = _MOST_TRANSIENTS
        self._asked_s = float("-inf")
        self._next_take_s = 0.0
        self._next_expiry_s = 0.0

    def may_take(self, *, is_idle: bool) -> bool:
        """Return whether an answer may be stored now: one every two seconds at a busy time."""
        now_s = self._clock()
        if not is_idle and now_s < self._next_take_s:
            return False
        self._next_take_s = now_s + _BUSY_POLL_S
        return True

    async def ask(self, *, is_idle: bool, is_awake: bool) -> bool:
        """Ask for stamps of transients that have none; return whether there were some.

        Parameters
        ----------
        is_idle : bool
            Whether no image waits.
        is_awake : bool
            Whether something happened in the last seconds.
        """
        now_s = self._clock()
        pause_s = _POLL_S if is_idle and is_awake else _BUSY_POLL_S
        if not self._settings.stamps or now_s < self._asked_s + pause_s:
            return False
        self._asked_s = now_s
        try:
            n_asked = await self._ask_or_skip()
        except FatalError:
            raise
        except Exception as error:  # noqa: BLE001  (the images must follow)
            get_logger().warning("stamps_not_requested", error=describe_exception(error))
            self._asked_s = now_s + _BUSY_POLL_S - _POLL_S
            return False
        return n_asked > 0

    async def _ask_or_skip(self) -> int:
        """Ask for stamps; a transient whose stamps cannot be planned is left out, alone."""
        try:
            n_asked = await self._ask(self._n_at_once)
        except (FatalError, TransientError):
            raise
        except Exception:
            if self._n_at_once == 1:
                async with self._store.transaction() as catalogue:
                    await catalogue.insert_stamps(await catalogue.lock_unstamped(1), [])
            self._n_at_once = 1
            raise
        self._n_at_once = _MOST_TRANSIENTS
        return n_asked

    async def _ask(self, limit: int) -> int:
        async with self._store.transaction() as catalogue:
            transients = await catalogue.lock_unstamped(limit)
            if not transients:
                return 0
            earlier = {
                each.transient_id: await catalogue.load_stamp_images(each, limit=_IMAGES_IN_TURN)
                for each in transients
            }
            plans = plan_stamps(transients, earlier)
            await catalogue.insert_stamps(transients, plans.plans)
            for freq_eff_hz, request in plans.requests:
                await catalogue.insert_stamp_request(freq_eff_hz, request, self._topics)
        return len(transients)

    async def on_message(self, message: InMessage) -> None:
        """Store the stamps of an image.

        Raises
        ------
        RejectedMessageError
            Code ``bad_avro``, ``bad_record`` for bytes that are no FITS file.
        """
        answer = _decode(message)
        async with self._store.transaction() as catalogue:
            await catalogue.store_stamps(answer.stamps)
        for each in answer.stamps:
            STAMPS.labels(each.reason or "stored").inc()

    async def drop_expired(self) -> None:
        """Delete the pixels beyond the retention, every five minutes."""
        now_s = self._clock()
        if now_s < self._next_expiry_s:
            return
        self._next_expiry_s = now_s + _EXPIRY_EVERY_S
        try:
            n_stamps = await self._drop_expired()
        except FatalError:
            raise
        except Exception as error:  # noqa: BLE001  (the images must follow)
            get_logger().warning("stamps_not_expired", error=describe_exception(error))
            return
        if n_stamps:
            get_logger().info("stamps_expired", n_stamps=n_stamps)

    async def _drop_expired(self) -> int:
        now, days = datetime.now(UTC), self._settings.stamp_retention_days
        async with self._store.transaction() as catalogue:
            await catalogue.give_up_stamps(now - _ANSWER_WITHIN, StampReason.NOT_ANSWERED.value)
            return await catalogue.delete_expired_stamps(
                _EVER if days is None else now - timedelta(days=days),
                max_bytes=self._settings.stamp_retention_mb * 1_000_000,
                reason=StampReason.EXPIRED.value,
                limit=_MOST_EXPIRED,
            )


def _decode(message: InMessage) -> ImageStamps:
    """Return the stamps in a message, if they can be stored."""
    try:
        answer = decode_image_stamps(message.value)
    except CodecError as error:
        raise RejectedMessageError(MessageReason.BAD_AVRO, str(error)) from error
    for each in answer.stamps:
        if not each.reason and not each.data.startswith(_FITS):
            raise RejectedMessageError(
                MessageReason.BAD_RECORD,
                f"stamp {each.stamp_id[:80]!r} of stamps-v1 is no FITS file, and has no reason",
            )
    return answer
