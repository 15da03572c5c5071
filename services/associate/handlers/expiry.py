"""Measurements and images that are older than their retention go, once an hour."""

import time

from runtime.errors import FatalError, describe_exception
from runtime.logging import get_logger
from runtime.settings import AssociateSettings
from services.associate.storage import CatalogueStore

__all__ = ["Expiry"]

_EVERY_S = 3600.0
# Images deleted in one hour: 27 a second, more than a telescope sends.
_MOST_IMAGES = 100_000


class Expiry:
    """Deletes what is older than its retention.

    Parameters
    ----------
    store : CatalogueStore
        Where it is.
    settings : AssociateSettings
        The retention of detections and of images.
    """

    def __init__(self, store: CatalogueStore, settings: AssociateSettings) -> None:
        self._store = store
        self._settings = settings
        self._next_s = 0.0

    async def drop_expired(self) -> None:
        """Drop measurements and images that are older than their retention, once an hour."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + _EVERY_S
        try:
            await self._drop_expired()
        except FatalError:
            raise
        except Exception as error:  # noqa: BLE001  (the images must follow)
            get_logger().warning("detections_not_expired", error=describe_exception(error))

    async def _drop_expired(self) -> None:
        detection_days = self._settings.detection_retention_days
        if detection_days is not None and (
            names := await self._store.drop_expired(detection_days)
        ):
            get_logger().info("detections_expired", partitions=names)
        image_days = self._settings.image_retention_days
        if image_days is not None:
            n_images = await self._store.delete_expired_images(image_days, _MOST_IMAGES)
            get_logger().info("images_expired", n_images=n_images)
