"""What the first timesteps of a new stream say about its channels."""

from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet
from itertools import takewhile

__all__ = ["are_in_step"]

# Timesteps that must have the same channels, and how many behind them may have only begun.
_LEAST_EQUAL, _MOST_BEGUN = 3, 2
# Images of a single channel do not tell whether a second one is slower.
_LEAST_CHANNELS = 2


def are_in_step(channels: Sequence[AbstractSet[Hashable]]) -> bool:
    """Return whether channels advance together, timestep by timestep.

    Images that come band by band have no such order: many timesteps then have some channels, and
    few have more.

    Parameters
    ----------
    channels : sequence of set
        Channels of each timestep that have come, in time order.
    """
    if len(channels) < _LEAST_EQUAL or len(channels[0]) < _LEAST_CHANNELS:
        return False
    n_equal = sum(1 for _ in takewhile(lambda each: each == channels[0], channels))
    begun = channels[n_equal:]
    return (
        n_equal >= _LEAST_EQUAL
        and len(begun) <= _MOST_BEGUN
        and all(each <= channels[0] for each in begun)
    )
