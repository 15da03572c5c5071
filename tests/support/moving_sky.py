"""A sky with one object that moves."""

from dataclasses import dataclass

from tests.support.movers import Mover
from tests.support.watched_sky import WatchedSky

__all__ = ["MovingSky"]


@dataclass
class MovingSky(WatchedSky):
    """A sky whose first source moves.

    Parameters
    ----------
    mover : Mover
        Where it is.
    passes_s : float
        When it is at the first place of the mover, after the first image [s].
    """

    mover: Mover = Mover(0.0, 0.0, 0.0, 0.0)  # noqa: RUF009  (frozen)
    passes_s: float = 0.0

    def place(self, number: int, step: int) -> tuple[float, float]:
        """Return where a source is at a timestep."""
        if number:
            return self.places[number]
        return self.mover.at(step * self.cadence_s - self.passes_s)
