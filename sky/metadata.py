"""The metadata that an image needs: time, frequency, beam, Stokes parameter, unit."""

import math
from dataclasses import dataclass
from datetime import datetime

from astropy.io.fits import Header

from sky.header.beam import read_beam
from sky.header.brightness import BrightnessUnit, beam_area_sr, read_brightness_unit
from sky.header.cards import Cards, quiet_astropy
from sky.header.spectral import read_frequency
from sky.header.stokes import read_stokes
from sky.header.times import Exposure, read_exposure

__all__ = ["HeaderMetadata", "read_beside_exposure", "read_metadata", "read_time_start"]


@dataclass(frozen=True, slots=True)
class HeaderMetadata:
    """What a header says of an image, apart from its place on the sky.

    `ignored_cards` are the optional cards that are there and cannot be read, and BUNIT where it
    is missing.
    """

    time_start: datetime
    exposure_s: float
    freq_eff_hz: float
    freq_bw_hz: float
    stokes: str
    beam_major_deg: float
    beam_minor_deg: float
    beam_pa_deg: float
    telescope: str | None
    unit: BrightnessUnit
    ignored_cards: tuple[str, ...]

    def jy_beam_factor(self, pixel_deg: float) -> float:
        """Return what makes Jy/beam of the unit of the pixels.

        Parameters
        ----------
        pixel_deg : float
            Side of a pixel at the centre of the image [deg].
        """
        return self.unit.to_jy_beam(
            freq_hz=self.freq_eff_hz,
            beam_sr=beam_area_sr(self.beam_major_deg, self.beam_minor_deg),
            pixel_sr=math.radians(pixel_deg) ** 2,
        )


@quiet_astropy()
def read_metadata(header: Header) -> HeaderMetadata:
    """Read what the pipeline must know of an image.

    Raises
    ------
    HeaderError
        Codes ``no_date``, ``bad_date``, ``no_frequency``, ``bad_frequency``, ``no_beam``,
        ``bad_beam``, ``bad_stokes``, ``bad_unit``, ``bad_header``.
    """
    cards = Cards(header)
    return read_beside_exposure(cards, read_exposure(cards))


def read_beside_exposure(cards: Cards, exposure: Exposure) -> HeaderMetadata:
    """Return what the pipeline must know of an image whose exposure is known.

    Raises
    ------
    HeaderError
        Codes ``no_frequency``, ``bad_frequency``, ``no_beam``, ``bad_beam``, ``bad_stokes``,
        ``bad_unit``, ``bad_header``.
    """
    major, minor, pa = read_beam(cards)
    freq, bandwidth = read_frequency(cards)
    stokes, unit = read_stokes(cards), read_brightness_unit(cards)
    return HeaderMetadata(
        time_start=exposure.time_start,
        exposure_s=exposure.exposure_s,
        freq_eff_hz=freq,
        freq_bw_hz=bandwidth,
        stokes=stokes,
        beam_major_deg=major,
        beam_minor_deg=minor,
        beam_pa_deg=pa,
        telescope=cards.text("TELESCOP"),
        unit=unit,
        ignored_cards=tuple(cards.ignored),
    )


@quiet_astropy()
def read_time_start(header: Header) -> datetime:
    """Return the start of the exposure, UTC.

    Raises
    ------
    HeaderError
        Codes ``no_date``, ``bad_date``, ``bad_header``.
    """
    return read_exposure(Cards(header)).time_start
