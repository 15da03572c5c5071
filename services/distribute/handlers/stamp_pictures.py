"""Pictures of alerts that are about to be sent, as far as there are any by now."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from runtime.errors import PipelineError
from runtime.logging import get_logger
from runtime.threads import run_in_thread
from services.distribute.models import SourcePictures, StoredStamp
from services.distribute.steps.stamp_pictures import draw_pictures

__all__ = ["StampPictures"]

_MOST_SOURCES = 20
_MOST_BYTES = 1_000_000


class StampPictures:
    """Draws the stamps of a few sources; an alert goes out without those that it cannot draw.

    Parameters
    ----------
    read : callable
        Returns the stamps of families of alerts; raises `PipelineError`.
    timeout_s : float
        Longest time that alerts wait for their pictures [s].
    """

    def __init__(
        self,
        read: Callable[[Sequence[str]], Awaitable[list[StoredStamp]]],
        *,
        timeout_s: float,
    ) -> None:
        self._read = read
        self._timeout_s = timeout_s

    async def draw(self, trig_ids: Iterable[str]) -> dict[str, SourcePictures]:
        """Return the pictures of each source, or why it has none; 20 and 1 MB at most.

        Parameters
        ----------
        trig_ids : iterable of str
            Families of alerts; one that comes again is the same source.
        """
        asked = list(dict.fromkeys(trig_ids))
        first, rest = asked[:_MOST_SOURCES], asked[_MOST_SOURCES:]
        try:
            async with asyncio.timeout(self._timeout_s):
                stamps = await self._read(first)
                drawn = await run_in_thread(
                    lambda: draw_pictures(first, stamps, most_bytes=_MOST_BYTES)
                )
        except (PipelineError, TimeoutError) as error:
            get_logger().warning("stamps_not_read", n_sources=len(first), reason=repr(error))
            reason = "no time" if isinstance(error, TimeoutError) else "not read"
            drawn = dict.fromkeys(first, SourcePictures({}, reason))
        return drawn | dict.fromkeys(rest, SourcePictures({}, f"beyond the first {_MOST_SOURCES}"))
