"""Deliveries are deleted when they are older than their retention."""

import asyncio
from datetime import timedelta
from typing import NoReturn

from runtime.errors import FatalError, TransientError
from runtime.logging import get_logger
from services.distribute.storage import DeliveryStore

__all__ = ["keep_deliveries"]

_INTERVAL_S = 3600.0


async def keep_deliveries(store: DeliveryStore, max_age: timedelta) -> NoReturn:
    """Delete what is older once an hour, until cancelled.

    Parameters
    ----------
    store : DeliveryStore
        Where the deliveries are.
    max_age : timedelta
        No shorter than any delivery is repeated.
    """
    while True:
        try:
            await store.delete_older(max_age)
        except FatalError:
            raise
        except TransientError as error:
            get_logger().debug("deliveries_not_deleted", error=str(error))
        except Exception:  # noqa: BLE001  (whatever it is: the next hour must follow)
            get_logger().exception("deliveries_not_deleted")
        await asyncio.sleep(_INTERVAL_S)
