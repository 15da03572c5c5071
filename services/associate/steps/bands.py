"""Which frequency band an image belongs to."""

from collections.abc import Iterable

from schemas.messages import ImageDetections
from services.associate.models.timesteps import Band

__all__ = ["assign_bands", "find_band", "to_band"]

# Width of an image without a bandwidth, relative to its frequency.
_DEFAULT_WIDTH = 0.01


def to_band(freq_eff_hz: float, freq_bw_hz: float) -> Band:
    """Return the band that an image creates: centre and width to 1 kHz."""
    return Band(round(freq_eff_hz / 1e3) * 1e3, round(freq_bw_hz / 1e3) * 1e3)


def assign_bands(records: Iterable[ImageDetections], known: Iterable[Band]) -> list[Band | None]:
    """Return the band of each image: a known one, one of an image before it, or a new one.

    Parameters
    ----------
    records : iterable of ImageDetections
        In ascending frequency.
    known : iterable of Band
        Bands of the stream.

    Returns
    -------
    list of Band or None
        None for an image without metadata.
    """
    bands = list(known)
    assigned: list[Band | None] = []
    for record in records:
        metadata = record.metadata
        if metadata is None:
            assigned.append(None)
            continue
        band = find_band(metadata.freq_eff_hz, metadata.freq_bw_hz, bands)
        if band is None:
            band = to_band(metadata.freq_eff_hz, metadata.freq_bw_hz)
            bands.append(band)
        assigned.append(band)
    return assigned


def find_band(freq_eff_hz: float, freq_bw_hz: float, known: Iterable[Band]) -> Band | None:
    """Return the known band that an image falls into, or None.

    Bands match when the centre of one lies inside the other; the nearest centre wins, then
    the lower one, so that the result does not depend on the order of `known`.
    """
    width = _width(freq_eff_hz, freq_bw_hz)
    candidates = [
        (abs(band.freq_eff_hz - freq_eff_hz), band.freq_eff_hz, band.freq_bw_hz, band)
        for band in known
        if abs(band.freq_eff_hz - freq_eff_hz)
        <= max(width, _width(band.freq_eff_hz, band.freq_bw_hz)) / 2
    ]
    return min(candidates, key=lambda each: each[:3])[3] if candidates else None


def _width(freq_eff_hz: float, freq_bw_hz: float) -> float:
    return freq_bw_hz if freq_bw_hz > 0 else _DEFAULT_WIDTH * freq_eff_hz
