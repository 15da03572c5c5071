"""Deliveries are deleted when they are older than their retention."""

from datetime import timedelta
from typing import NoReturn

from runtime.periodic import repeat_periodically
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
    await repeat_periodically(
        lambda: store.delete_older(max_age),
        interval_s=_INTERVAL_S,
        failure="deliveries_not_deleted",
    )
