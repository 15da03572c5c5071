"""Names of VTP subscribers that anybody may choose are forgotten, few enough are kept."""

from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn

from runtime.periodic import repeat_periodically
from services.distribute.storage import DeliveryStore

__all__ = ["keep_names"]

_INTERVAL_S = 3600.0
_MAX_AGE = timedelta(days=30)
_MAX_NAMES = 10_000


async def keep_names(
    store: DeliveryStore, connected: Callable[[], list[str]], *, repeated: timedelta
) -> NoReturn:
    """Forget names once an hour, until cancelled.

    Parameters
    ----------
    store : DeliveryStore
        Where the names are.
    connected : callable
        Returns those that are connected now.
    repeated : timedelta
        How long alerts are kept for one that comes back: it is not forgotten before.
    """

    async def forget() -> None:
        await store.touch_subscribers(connected())
        await store.forget_subscribers(max_age=_MAX_AGE + repeated, max_names=_MAX_NAMES)

    await repeat_periodically(forget, interval_s=_INTERVAL_S, failure="names_not_forgotten")
