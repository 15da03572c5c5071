"""How a source's flux changes with time, as a factor computable for any timestep."""

import math
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Boxcar", "Burst", "Constant", "LightCurve", "RedNoise", "Sinusoid"]

# A burst ends below this fraction of its peak: less than 1 sigma for nearly all of them.
_BURST_FLOOR = 0.05


class LightCurve(Protocol):
    """A factor on a reference flux."""

    def factor(self, timestep: int) -> float:
        """Return the flux at `timestep` over the reference flux."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """A source that does not change."""

    def factor(self, timestep: int) -> float:  # noqa: ARG002  (the protocol's signature)
        """Return one."""
        return 1.0


@dataclass(frozen=True, slots=True)
class Sinusoid:
    """A periodic variable around a mean of one.

    Parameters
    ----------
    amplitude : float
        Half the swing over the mean, below 1.
    period_timesteps : float
        Period [timestep].
    phase_rad : float
        Phase at timestep 0 [rad].
    """

    amplitude: float
    period_timesteps: float
    phase_rad: float

    def factor(self, timestep: int) -> float:
        """Return the flux over its mean."""
        angle_rad = 2.0 * math.pi * timestep / self.period_timesteps + self.phase_rad
        return 1.0 + self.amplitude * math.sin(angle_rad)


@dataclass(frozen=True, slots=True)
class RedNoise:
    """Bounded red noise: a sum of modes, the slow ones strong, the fast ones weak.

    Unlike a random walk it needs no history: any timestep can be computed alone.

    Parameters
    ----------
    modes : tuple of Sinusoid
        Their amplitudes sum to less than 1.
    """

    modes: tuple[Sinusoid, ...]

    def factor(self, timestep: int) -> float:
        """Return the flux over its mean."""
        return 1.0 + sum(mode.factor(timestep) - 1.0 for mode in self.modes)


@dataclass(frozen=True, slots=True)
class Boxcar:
    """A fast transient: on for a few timesteps.

    Parameters
    ----------
    first, last : int
        Timesteps, both included.
    """

    first: int
    last: int

    def factor(self, timestep: int) -> float:
        """Return one while it is on."""
        return 1.0 if self.first <= timestep <= self.last else 0.0


@dataclass(frozen=True, slots=True)
class Burst:
    """A slow transient: a Gaussian rise, then an exponential decay.

    Parameters
    ----------
    first : int
        Timestep in which it appears, at 5 % of its peak.
    rise_timesteps : int
        From there to the peak [timestep].
    decay_timesteps : float
        e-folding time after the peak [timestep].
    """

    first: int
    rise_timesteps: int
    decay_timesteps: float

    @property
    def peak(self) -> int:
        """Timestep of the peak."""
        return self.first + self.rise_timesteps

    @property
    def last(self) -> int:
        """Last timestep above 5 % of the peak."""
        return self.peak + int(-math.log(_BURST_FLOOR) * self.decay_timesteps)

    def factor(self, timestep: int) -> float:
        """Return the flux over its peak."""
        if not self.first <= timestep <= self.last:
            return 0.0
        if timestep < self.peak:
            fraction = (self.peak - timestep) / self.rise_timesteps
            return math.pow(_BURST_FLOOR, fraction * fraction)
        return math.exp(-(timestep - self.peak) / self.decay_timesteps)
