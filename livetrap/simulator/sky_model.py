"""The simulated sources: positions, fluxes and light curves, from a seed."""

import functools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from livetrap.simulator.config import QUIET_TIMESTEPS, SimulatorConfig
from livetrap.simulator.light_curves import Boxcar, Burst, Constant, LightCurve
from livetrap.simulator.populations import (
    draw_burst,
    draw_flash,
    draw_fresh_sites,
    draw_sites,
    draw_snr,
    draw_variable,
)
from runtime.errors import SettingsError

__all__ = ["SkyModel", "SkySource", "SourceKind"]

SourceKind = Literal["steady", "faint", "variable", "fast_transient", "slow_transient"]

_REFERENCE_HZ = 150e6
_STEADY_SNR = (12.0, 1000.0)
_FAINT_SNR = (1.0, 3.0)
_THRESHOLD_SNR = (4.0, 12.0)
_VARIABLE_SNR = (35.0, 300.0)  # at 60 % amplitude the minimum is still 14 sigma
_TRANSIENT_SNR_SPAN = 8.0
_AREA_OF_DEFAULTS_PX = 256**2
_TIMESTEPS_PER_TRANSIENT = 8
_SEED_SITES, _SEED_PERSISTENT, _SEED_TRANSIENT, _SEED_FRESH_SITES = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class SkySource:
    """A point source.

    Parameters
    ----------
    number : int
        Counts from 0 over the run; transients follow the persistent sources.
    kind : {'steady', 'faint', 'variable', 'fast_transient', 'slow_transient'}
        Population that it belongs to.
    y_px, x_px : float
        Position, 0-based [px].
    flux_150mhz_jy : float
        Flux at 150 MHz where the light curve is one [Jy].
    spectral_index : float
        Flux goes as frequency to this power.
    light_curve : LightCurve
        Flux over that flux.
    """

    number: int
    kind: SourceKind
    y_px: float
    x_px: float
    flux_150mhz_jy: float
    spectral_index: float
    light_curve: LightCurve

    @property
    def first(self) -> int | None:
        """First timestep with flux; None for a persistent source."""
        return self.light_curve.first if isinstance(self.light_curve, Boxcar | Burst) else None

    @property
    def last(self) -> int | None:
        """Last timestep with flux; None for a persistent source."""
        return self.light_curve.last if isinstance(self.light_curve, Boxcar | Burst) else None

    def flux_jy(self, freq_hz: float, timestep: int) -> float:
        """Return the flux at a frequency [Hz] in a timestep [Jy]."""
        spectrum = math.pow(freq_hz / _REFERENCE_HZ, self.spectral_index)
        return self.flux_150mhz_jy * spectrum * self.light_curve.factor(timestep)

    def is_on(self, timestep: int) -> bool:
        """Return whether it has flux in a timestep."""
        return self.light_curve.factor(timestep) > 0.0


class SkyModel:
    """All sources of a run; any timestep can be computed alone.

    Parameters
    ----------
    config : SimulatorConfig
        The observation.

    Raises
    ------
    SettingsError
        If so many sources do not fit into the image.
    """

    def __init__(self, config: SimulatorConfig) -> None:
        self._config = config
        n_persistent, sites_px = _count_persistent(config), _all_sites_px(config)
        n_fixed = sum(n_persistent.values())
        n_free = len(sites_px) - n_fixed
        # Endless: a block must not use a site that the block before it still uses.
        blocks_at_once = 1 if config.images else 2
        self.n_transient = _count_transients(config, max(0, n_free // blocks_at_once))
        if n_free < blocks_at_once * self.n_transient or n_free < 0:
            raise SettingsError(
                f"simulator: {config.size} px hold {len(sites_px)} sources, not "
                f"{n_fixed + blocks_at_once * self.n_transient}; ask for fewer or a larger size"
            )
        self._transient_sites_px = sites_px[n_fixed:]
        if not config.images:
            rng = np.random.default_rng([config.seed, _SEED_FRESH_SITES])
            n_at_once = blocks_at_once * self.n_transient
            fresh_px = draw_fresh_sites(config, rng, sites_px[:n_fixed], n_at_once)
            if len(fresh_px) > len(self._transient_sites_px):
                self._transient_sites_px = fresh_px
        self.persistent = _make_persistent(config, n_persistent, sites_px)
        self.transients = functools.lru_cache(maxsize=4)(self._make_transients)

    def sources_at(self, timestep: int) -> tuple[SkySource, ...]:
        """Return the persistent sources, then the transients with flux in a timestep."""
        block = timestep // self._config.block_timesteps
        recent = [source for k in (block - 1, block) if k >= 0 for source in self.transients(k)]
        return self.persistent + tuple(source for source in recent if source.is_on(timestep))

    def _make_transients(self, block: int) -> tuple[SkySource, ...]:
        """Return the transients that appear in a block of timesteps (block 0 if finite).

        An endless run uses a position again only after all others.
        """
        sources = []
        for index in range(self.n_transient):
            rng = np.random.default_rng([self._config.seed, _SEED_TRANSIENT, block, index])
            nth = block * self.n_transient + index
            curve = self._draw_transient_curve(rng, block, index)
            low = self._config.min_snr
            source = _make_source(
                rng,
                self._config,
                number=len(self.persistent) + nth,
                kind="slow_transient" if isinstance(curve, Burst) else "fast_transient",
                snr=draw_snr(rng, low, _TRANSIENT_SNR_SPAN * low),
                site_px=self._transient_sites_px[nth % len(self._transient_sites_px)],
                curve=curve,
            )
            sources.append(source)
        return tuple(sources)

    def _draw_transient_curve(
        self, rng: np.random.Generator, block: int, index: int
    ) -> Boxcar | Burst:
        length = self._config.block_timesteps
        quiet = QUIET_TIMESTEPS if block == 0 else 0
        # Spread evenly over the block, so that a demo never waits long for a transient.
        low = quiet + (length - quiet) * index // self.n_transient
        high = quiet + (length - quiet) * (index + 1) // self.n_transient
        first = int(rng.integers(low, max(low + 1, high)))
        timesteps_left = length - first if self._config.images else length
        start = block * length + first
        burst = draw_burst(rng, start, timesteps_left) if index % 2 == 1 else None
        return burst or draw_flash(rng, start, timesteps_left)


def _by_area(config: SimulatorConfig, count: int | None, per_area: int) -> int:
    if count is not None:
        return count
    # Large images get the density of a crowded, not of an impossible, field.
    return max(1, round(per_area * min(8.0, config.size**2 / _AREA_OF_DEFAULTS_PX)))


def _count_persistent(config: SimulatorConfig) -> dict[SourceKind, int]:
    return {
        "steady": _by_area(config, config.n_steady, 20),
        "variable": _by_area(config, config.n_variable, 4),
        "faint": _by_area(config, config.n_faint, 8),
    }


def _count_transients(config: SimulatorConfig, n_room: int) -> int:
    if config.n_transient is not None:
        return config.n_transient
    n_timesteps = config.block_timesteps - QUIET_TIMESTEPS
    return min(n_room, -(-max(0, n_timesteps) // _TIMESTEPS_PER_TRANSIENT))


def _all_sites_px(config: SimulatorConfig) -> NDArray[np.float64]:
    return draw_sites(config, np.random.default_rng([config.seed, _SEED_SITES]))


def _make_persistent(
    config: SimulatorConfig,
    counts: dict[SourceKind, int],
    sites_px: NDArray[np.float64],
) -> tuple[SkySource, ...]:
    snr_range: dict[SourceKind, tuple[float, float]] = {
        "steady": _STEADY_SNR,
        "variable": _VARIABLE_SNR,
        "faint": _THRESHOLD_SNR if config.faint else _FAINT_SNR,
    }
    sources: list[SkySource] = []
    for kind, count in counts.items():
        rng = np.random.default_rng([config.seed, _SEED_PERSISTENT, len(sources)])
        for index in range(count):
            source = _make_source(
                rng,
                config,
                number=len(sources),
                kind=kind,
                snr=draw_snr(rng, *snr_range[kind]),
                site_px=sites_px[len(sources)],
                curve=draw_variable(rng, index) if kind == "variable" else Constant(),
            )
            sources.append(source)
    return tuple(sources)


def _make_source(
    rng: np.random.Generator,
    config: SimulatorConfig,
    *,
    number: int,
    kind: SourceKind,
    snr: float,
    site_px: NDArray[np.float64],
    curve: LightCurve,
) -> SkySource:
    """Return a source with `snr` in its noisiest band, an undetectable one in its best band."""
    must_stay_undetected = kind == "faint" and not config.faint
    spectral_index = float(rng.normal(-0.7, 0.1))
    flux_in_band_jy = [
        snr * rms_jy / (freq_hz / _REFERENCE_HZ) ** spectral_index
        for freq_hz, rms_jy in zip(config.bands_hz, config.rms_by_band_jy_beam, strict=True)
    ]
    return SkySource(
        number=number,
        kind=kind,
        y_px=float(site_px[0]),
        x_px=float(site_px[1]),
        flux_150mhz_jy=min(flux_in_band_jy) if must_stay_undetected else max(flux_in_band_jy),
        spectral_index=spectral_index,
        light_curve=curve,
    )
