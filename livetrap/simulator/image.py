"""One simulated image: pixels and header as FITS bytes."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from livetrap.simulator.beam import NoiseMaker, Stamp, make_stamp
from livetrap.simulator.config import SimulatorConfig
from livetrap.simulator.sky_model import SkyModel, SkySource

__all__ = [
    "ImageRenderer",
    "SimulatedImage",
    "iterate_images",
    "make_header",
    "make_wcs",
    "utc_isot",
]

_FITS_BLOCK_BYTES = 2880
_DATE_PLACEHOLDER = "0000-00-00T00:00:00.000000"
_SEED_NOISE = 4


@dataclass(frozen=True, slots=True)
class SimulatedImage:
    """A FITS file and what its messages need.

    Parameters
    ----------
    data : bytes
        The FITS file.
    timestep : int
        Counts from 0.
    band : str
        Such as ``124MHz``.
    freq_eff_hz : float
        Centre of the band [Hz].
    time_start : datetime
        Start of the exposure, UTC.
    """

    data: bytes
    timestep: int
    band: str
    freq_eff_hz: float
    time_start: datetime

    @property
    def sha256(self) -> str:
        """sha256 of the bytes, hex: the image's id."""
        return hashlib.sha256(self.data).hexdigest()


def iterate_images(config: SimulatorConfig) -> Iterator[SimulatedImage]:
    """Yield the images in time order, band by band; without end if `images` is 0.

    Parameters
    ----------
    config : SimulatorConfig
        The observation.

    Raises
    ------
    SettingsError
        If so many sources do not fit into the image.
    """
    renderer = ImageRenderer(config)
    timestep = 0
    while config.images == 0 or timestep < config.images:
        for band_index in range(len(config.bands_hz)):
            yield renderer.render(timestep, band_index)
        timestep += 1


class ImageRenderer:
    """Renders the images of a run, in any order.

    Parameters
    ----------
    config : SimulatorConfig
        The observation.
    """

    def __init__(self, config: SimulatorConfig) -> None:
        self._config = config
        self._sky = SkyModel(config)
        self._noise = NoiseMaker(config)
        self._stamps = {source.number: self._stamp(source) for source in self._sky.persistent}
        self._headers = [_header_template(config, freq_hz) for freq_hz in config.bands_hz]

    def render(self, timestep: int, band_index: int) -> SimulatedImage:
        """Return the image of a timestep and a band.

        Parameters
        ----------
        timestep : int
            Counts from 0.
        band_index : int
            Position in `bands_hz`.
        """
        time_start = self._config.time_start(timestep)
        date = utc_isot(time_start).encode()
        header = self._headers[band_index].replace(_DATE_PLACEHOLDER.encode(), date)
        pixels = self.render_pixels(timestep, band_index).astype(">f4").tobytes()
        return SimulatedImage(
            data=b"".join((header, pixels, bytes(-len(pixels) % _FITS_BLOCK_BYTES))),
            timestep=timestep,
            band=self._config.band_names[band_index],
            freq_eff_hz=self._config.bands_hz[band_index],
            time_start=time_start,
        )

    def render_pixels(self, timestep: int, band_index: int) -> NDArray[np.float32]:
        """Return only the pixels.

        Parameters
        ----------
        timestep : int
            Counts from 0.
        band_index : int
            Position in `bands_hz`.

        Returns
        -------
        (size, size) float32
            Sources and noise [Jy/beam].
        """
        seed = [self._config.seed, _SEED_NOISE, timestep, band_index]
        pixels = self._noise.draw(np.random.Generator(np.random.SFC64(seed)))
        pixels *= np.float32(self._config.rms_by_band_jy_beam[band_index])
        freq_hz = self._config.bands_hz[band_index]
        for source in self._sky.sources_at(timestep):
            stamp = self._stamps.get(source.number) or self._stamp(source)
            flux_jy = np.float32(source.flux_jy(freq_hz, timestep))
            pixels[stamp.rows, stamp.columns] += flux_jy * stamp.pixels
        return pixels

    def _stamp(self, source: SkySource) -> Stamp:
        return make_stamp(self._config, source.y_px, source.x_px)


def make_wcs(config: SimulatorConfig) -> WCS:
    """Return the celestial coordinate system: SIN projection, ICRS, north up, east left."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---SIN", "DEC--SIN"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.crval = list(config.centre_deg)
    wcs.wcs.crpix = [config.size / 2 + 1, config.size / 2 + 1]
    pixel_deg = config.pixel_arcsec / 3600.0
    wcs.wcs.cdelt = [-pixel_deg, pixel_deg]
    wcs.wcs.radesys = "ICRS"
    return wcs


def make_header(config: SimulatorConfig, freq_hz: float, time_start: str) -> fits.Header:
    """Return the header of an image.

    Parameters
    ----------
    config : SimulatorConfig
        The observation.
    freq_hz : float
        Centre of the band [Hz].
    time_start : str
        Start of the exposure, UTC, ISO 8601 without zone.
    """
    axes = [config.size, config.size] + ([1, 1] if config.four_axes else [])
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", len(axes))])
    header.extend((f"NAXIS{n}", length) for n, length in enumerate(axes, start=1))
    header.update(make_wcs(config).to_header(relax=True))
    if "WCSAXES" in header:
        header["WCSAXES"] = len(axes)
    if config.four_axes:
        header.extend(_degenerate_axes(config, freq_hz))
    header.extend(_observation_cards(config, freq_hz, time_start), update=True)
    return header


def utc_isot(time: datetime) -> str:
    """Return a time as FITS writes it: UTC to the microsecond, without zone."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def _degenerate_axes(config: SimulatorConfig, freq_hz: float) -> list[tuple[str, str | float]]:
    return [
        *(("CTYPE3", "FREQ"), ("CUNIT3", "Hz"), ("CRPIX3", 1.0), ("CRVAL3", freq_hz)),
        *(("CDELT3", config.bandwidth_hz), ("CTYPE4", "STOKES"), ("CRPIX4", 1.0)),
        *(("CRVAL4", 1.0), ("CDELT4", 1.0)),
    ]


def _observation_cards(
    config: SimulatorConfig, freq_hz: float, time_start: str
) -> list[tuple[str, str | float, str]]:
    pixel_deg = config.pixel_arcsec / 3600.0
    return [
        ("BUNIT", "JY/BEAM", "Unit of the pixels"),
        ("BMAJ", config.beam_major_px * pixel_deg, "[deg] Beam major axis, FWHM"),
        ("BMIN", config.beam_minor_px * pixel_deg, "[deg] Beam minor axis, FWHM"),
        ("BPA", config.beam_pa_deg, "[deg] Beam position angle"),
        ("RESTFRQ", freq_hz, "[Hz] Centre of the band"),
        ("RESTBW", config.bandwidth_hz, "[Hz] Width of the band"),
        ("DATE-OBS", time_start, "Start of the exposure"),
        ("TIMESYS", "UTC", "Time scale"),
        ("EXPTIME", config.cadence_s, "[s] Exposure"),
        ("TELESCOP", config.telescope, "Simulated"),
        ("OBJECT", f"SIM-{config.field.upper()}", "Field"),
        ("ORIGIN", "LiveTrap simulator", ""),
    ]


def _header_template(config: SimulatorConfig, freq_hz: float) -> bytes:
    """Return the header as bytes: astropy needs longer for a new one than the pixels take."""
    header = make_header(config, freq_hz, _DATE_PLACEHOLDER)
    text: str = header.tostring()
    return text.encode("ascii")
