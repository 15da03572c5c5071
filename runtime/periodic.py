"""Work that is done again and again while a process runs, and that no failure ends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

from runtime.errors import FatalError, TransientError
from runtime.logging import get_logger

__all__ = ["repeat_periodically"]


async def repeat_periodically(
    work: Callable[[], Awaitable[object]], *, interval_s: float, failure: str
) -> NoReturn:
    """Do `work`, wait, and do it again, until the task is cancelled.

    Parameters
    ----------
    work : callable
        What is done; an attempt that fails is logged, and the next one follows.
    interval_s : float
        Wait after each attempt [s].
    failure : str
        Event that is logged for an attempt that failed.

    Raises
    ------
    FatalError
        As `work` raises it: no repetition helps.
    """
    while True:
        try:
            await work()
        except FatalError:
            raise
        except TransientError as error:
            get_logger().debug(failure, error=str(error))
        except Exception:  # noqa: BLE001  (whatever it is: the next attempt must follow)
            get_logger().exception(failure)
        await asyncio.sleep(interval_s)
