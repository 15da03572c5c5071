"""Parameters of a simulated observation: size, bands, cadence, populations, field."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Literal

import numpy as np

from runtime.errors import SettingsError

__all__ = [
    "ENDLESS_BLOCK_TIMESTEPS",
    "FIELD_CENTRES_DEG",
    "QUIET_TIMESTEPS",
    "Field",
    "SimulatorConfig",
    "lofar_bands_hz",
]

Field = Literal["ordinary", "0h", "pole"]

# Centre of each field (ra, dec), ICRS [deg]; the last two test the geometry.
FIELD_CENTRES_DEG = MappingProxyType(
    {"ordinary": (123.0, 50.0), "0h": (0.0, 30.0), "pole": (45.0, 89.9)}
)

# The first timesteps have no transients: the catalogue fills with the steady sources.
QUIET_TIMESTEPS = 5
# An endless run draws its transients in blocks of this many timesteps.
ENDLESS_BLOCK_TIMESTEPS = 100

_LOFAR_BANDS_MHZ = (124.0, 149.0, 156.0, 185.0)
_RMS_REFERENCE_HZ = 149e6


def lofar_bands_hz(n_bands: int) -> tuple[float, ...]:
    """Return band centres like those of LOFAR's high band.

    Parameters
    ----------
    n_bands : int
        How many, 1 to 32.

    Returns
    -------
    tuple of float
        Distinct centres at whole MHz, rising [Hz].

    Raises
    ------
    SettingsError
        If `n_bands` is out of range.
    """
    if not 1 <= n_bands <= 32:
        raise SettingsError(f"bands must be 1 to 32, not {n_bands}")
    if n_bands == 1:
        return (_RMS_REFERENCE_HZ,)
    if n_bands <= len(_LOFAR_BANDS_MHZ):
        return tuple(1e6 * mhz for mhz in _LOFAR_BANDS_MHZ[:n_bands])
    return tuple(1e6 * float(mhz) for mhz in np.round(np.linspace(120.0, 187.0, n_bands)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorConfig:
    """One simulated observation; equal configs give equal bytes.

    Steady sources are either clearly detectable (at least 12 sigma in the noisiest band) or
    clearly not (at most 3 sigma in the best one): a source near the 8-sigma threshold would be
    detected as new at some timestep, and a run with `faint` off must have no false alerts.

    Parameters
    ----------
    images : int
        Timesteps, each an image per band; 0 is endless.
    size : int
        Side of an image [px].
    bands_hz : tuple of float
        Centre of each frequency band [Hz].
    bandwidth_hz : float
        Width of every band [Hz].
    cadence_s : float
        Time from one timestep to the next, and exposure of an image [s].
    seed : int
        Seed of all random numbers.
    stream : str
        Name of the stream.
    telescope : str
        TELESCOP card.
    field : {'ordinary', '0h', 'pole'}
        Pointing of the telescope.
    start_time : datetime
        Start of the first exposure, UTC.
    pixel_arcsec : float
        Side of a pixel [arcsec].
    beam_major_px, beam_minor_px : float
        Restoring beam, FWHM, the same in every band [px].
    beam_pa_deg : float
        Position angle of its major axis, north through east [deg].
    rms_jy_beam : float
        Noise at 149 MHz; elsewhere it goes as 1/frequency [Jy/beam].
    n_steady, n_variable : int or None
        Detectable sources; None is by area (20 and 4 for 256 px).
    n_faint : int or None
        Undetectable steady sources, or threshold ones if `faint`; None is by area.
    n_transient : int or None
        Transients in the run, or every 100 timesteps if endless; every second one is fast.
        None is one in 8 timesteps, as far as they fit into the image.
    min_snr : float
        Least peak signal-to-noise ratio of a transient, in its noisiest band.
    faint : bool
        Give the faint sources 4 to 12 sigma, around the detection threshold.
    margin_px : int
        Border without sources [px].
    four_axes : bool
        Add degenerate FREQ and STOKES axes.
    """

    images: int = 20
    size: int = 256
    bands_hz: tuple[float, ...] = lofar_bands_hz(4)
    bandwidth_hz: float = 2e6
    cadence_s: float = 1.0
    seed: int = 1
    stream: str = "simulated"
    telescope: str = "LiveTrapSim"
    field: Field = "ordinary"
    start_time: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    pixel_arcsec: float = 30.0
    beam_major_px: float = 5.0
    beam_minor_px: float = 4.0
    beam_pa_deg: float = 30.0
    rms_jy_beam: float = 0.010
    n_steady: int | None = None
    n_variable: int | None = None
    n_faint: int | None = None
    n_transient: int | None = None
    min_snr: float = 12.0
    faint: bool = False
    margin_px: int = 20
    four_axes: bool = False

    def __post_init__(self) -> None:
        for is_wrong, reason in self._problems():
            if is_wrong:
                raise SettingsError(f"simulator: {reason}")

    def _problems(self) -> tuple[tuple[bool, str], ...]:
        counts = (self.n_steady, self.n_variable, self.n_faint, self.n_transient)
        return (
            (self.images < 0, "images must be 0 (endless) or more"),
            (not 64 <= self.size <= 8192, "size must be 64 to 8192 px"),
            (self.size % 2 == 1, "size must be even"),
            (not self.bands_hz, "at least one band is needed"),
            (min(self.bands_hz, default=1.0) <= 0, "a band's frequency must be positive"),
            (len(set(self.band_names)) < len(self.bands_hz), "two bands round to the same MHz"),
            (self.cadence_s <= 0, "cadence must be positive"),
            (self.seed < 0, "seed must be 0 or more"),
            (not self.stream, "the stream needs a name"),
            (self.field not in FIELD_CENTRES_DEG, f"field must be {'|'.join(FIELD_CENTRES_DEG)}"),
            (self.start_time.tzinfo is None, "start_time needs a time zone"),
            (not 2 <= self.beam_minor_px <= self.beam_major_px, "beam axes: 2 <= minor <= major"),
            (self.rms_jy_beam <= 0, "rms_jy_beam must be positive"),
            (any(n is not None and n < 0 for n in counts), "a number of sources is negative"),
            (self.min_snr <= 0, "min_snr must be positive"),
            (
                bool(self.n_transient) and 0 < self.images <= QUIET_TIMESTEPS,
                f"transients begin after timestep {QUIET_TIMESTEPS}; ask for more images",
            ),
        )

    @property
    def band_names(self) -> tuple[str, ...]:
        """Name of each band, such as ``124MHz``."""
        return tuple(f"{freq_hz / 1e6:.0f}MHz" for freq_hz in self.bands_hz)

    @property
    def rms_by_band_jy_beam(self) -> tuple[float, ...]:
        """Noise of each band [Jy/beam]."""
        return tuple(self.rms_jy_beam * _RMS_REFERENCE_HZ / freq_hz for freq_hz in self.bands_hz)

    @property
    def centre_deg(self) -> tuple[float, float]:
        """Return ra, dec of the field's centre, ICRS [deg]."""
        return FIELD_CENTRES_DEG[self.field]

    @property
    def block_timesteps(self) -> int:
        """Timesteps over which `n_transient` are spread."""
        return self.images or ENDLESS_BLOCK_TIMESTEPS

    def time_start(self, timestep: int) -> datetime:
        """Return the start of the exposures of a timestep, UTC."""
        return self.start_time + timedelta(seconds=self.cadence_s * timestep)
