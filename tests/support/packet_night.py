"""A night in which all kinds of things change, at odd places: for tests of packets."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from schemas.messages import FloatArray, ImageDetections
from tests.support.movers import Mover
from tests.support.moving_sky import MovingSky
from tests.support.watched_sky import add_noise, offset

__all__ = ["N_STEPS", "PacketSky", "night_of"]

N_STEPS = 30
_BANDS_HZ = (133e6, 166e6)
_CENTRES = ((359.9, -12.0), (40.0, 89.4), (123.0, 10.0))
_N_STORM = 120
_STEP_OF_STORM = 27
# Half the width of what is searched [deg].
_EDGE_DEG = 9.8


@dataclass
class PacketSky(MovingSky):
    """A sky of one Stokes parameter."""

    stokes: str = "I"

    def _record(self, step: int, band: int, rng: np.random.Generator) -> ImageDetections:
        record = super()._record(step, band, rng)
        assert record.metadata is not None
        return replace(record, metadata=replace(record.metadata, stokes=self.stokes))


def night_of(seed: int) -> Iterator[PacketSky]:
    """Yield streams with flares, what vanishes, fades, returns, moves, storms and is new."""
    for number, centre in enumerate(_CENTRES):
        rng = np.random.default_rng([seed, number])
        flux = _fluxes(rng)
        places = [
            offset(centre, 0.8 * (each % 4 - 1.5), 0.7 * (each // 4 - 1.5)) for each in range(14)
        ]
        places[12] = offset(places[1], 0.012, 0.0)  # beside a known one
        places[13] = offset(centre, 0.3, _EDGE_DEG)
        if number == 2:
            storm = np.zeros((N_STEPS, 2, _N_STORM))
            storm[_STEP_OF_STORM] = rng.uniform(9, 30, _N_STORM)
            flux = np.concatenate([flux, storm], axis=2)
            places += [
                offset(centre, *each) for each in rng.uniform(-1.9, 1.9, (_N_STORM, 2)).tolist()
            ]
        yield PacketSky(
            f"night-{number}", places, add_noise(flux, seed + number), centre=centre,
            bands_hz=_BANDS_HZ, cadence_s=8.0 + number, keeps_pixels=number != 1,
            stokes="V" if number == 1 else "I",
            mover=Mover(*offset(centre, -1.5, 1.6), 60.0, 45.0), passes_s=40.0,
        )  # fmt: skip


def _fluxes(rng: np.random.Generator) -> FloatArray:
    """Return what happens at fourteen places [sigma]; the first one moves."""
    flux = np.zeros((N_STEPS, 2, 14))
    flux[:, :, 1:6] = rng.uniform(15, 60, 5)
    flux[8:, :, 0] = 40.0
    flux[12:15, 0, 1] += 40.0  # a flare in the low band, later one in the high one
    flux[20:22, 1, 1] += 60.0
    flux[16:22, :, 2] = 0.0  # gone, and back
    flux[:, :, 3] *= np.linspace(1.0, 0.35, N_STEPS)[:, None]  # fading
    flux[9:, 0, 6] = 12.0  # new in the low band, then brighter in the high one
    flux[11:, 1, 6] = np.linspace(14, 60, N_STEPS - 11)
    flux[10:, :, 7] = np.linspace(9, 80, N_STEPS - 10)[:, None]  # a slow rise
    flux[13, 1, 8] = 31.0  # a burst in one band
    flux[7:9, :, 9] = 25.0  # a repeater
    flux[18:21, :, 9] = 33.0
    flux[:, :, 10] = np.where(rng.random((N_STEPS, 1)) < 0.15, 9.5, 0.0)  # faint, now and then
    flux[14:, :, 11] = rng.uniform(9, 11)  # faint, and stays
    flux[15:, :, 12] = 30.0
    flux[10:, :, 13] = 20.0
    return flux
