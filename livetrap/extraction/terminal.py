"""The source list for a person: aligned columns with units, and a line about each image."""

import math
from collections.abc import Iterable

import numpy as np

from livetrap.extraction.tables import FileSources, ImageSummary
from schemas.quality import names_of
from services.extract.models import FloatArray

__all__ = ["describe_image", "to_table"]

_HEADER = ("RA (ICRS)", "Dec (ICRS)", "err", "peak", "integrated", "S/N", "flags")
# Smallest error for which a unit is still readable.
_UNITS = ((1.0, "Jy"), (1e-3, "mJy"), (0.0, "uJy"))


def to_table(done: list[FileSources]) -> str:
    """Return the sources of every file as a table.

    Parameters
    ----------
    done : list of FileSources
        The measured files.

    Returns
    -------
    str
        For each file a line about its image and a line for each source.
    """
    return "\n".join(_table_of(found) for found in done)


def describe_image(found: FileSources) -> str:
    """Return in words how many sources an image has, above which noise, and what was blank."""
    image = found.image
    rms, sigma = image.rms_jy_beam, image.detection_threshold_sigma
    n_sources = len(found.sources)
    words = f"{found.name}: {n_sources or 'no'} source{'' if n_sources == 1 else 's'}"
    if math.isfinite(sigma):
        words += f" above {sigma:.3g} sigma = {_flux(sigma * rms)}/beam"
    return f"{words}, rms {_flux(rms)}/beam, {image.n_blank_px} of {image.n_px} px blank"


def _table_of(found: FileSources) -> str:
    """Return the lines of one file."""
    lines = [describe_image(found), _when_and_where(found.image)]
    sources = found.sources
    if len(sources):
        scale, name = _unit(float(np.median(sources.flux_peak_err_jy_beam)))
        units = ("h m s", "d m s", "arcsec", f"{name}/beam", name, "", "")
        lines += _aligned([_HEADER, units, *_rows(found, scale)])
    return "\n".join(lines) + "\n"


def _when_and_where(image: ImageSummary) -> str:
    """Return time and frequency in words."""
    time, freq_hz = image.time_start, image.freq_eff_hz
    words = "no date" if time is None else f"{time:%Y-%m-%dT%H:%M:%SZ}"
    return f"{words}, " + ("no frequency" if freq_hz is None else f"{freq_hz / 1e6:.6g} MHz")


def _rows(found: FileSources, scale: float) -> Iterable[tuple[str, ...]]:
    """Yield the cells of each source; fluxes in units of `scale` [Jy]."""
    sources = found.sources
    peak_decimals = _decimals(sources.flux_peak_err_jy_beam / scale)
    int_decimals = _decimals(sources.flux_int_err_jy / scale)
    for ra, dec, ra_err, dec_err, peak, peak_err, total, total_err, snr, flags in zip(
        sources.ra, sources.dec, sources.ra_err_deg, sources.dec_err_deg,
        sources.flux_peak_jy_beam, sources.flux_peak_err_jy_beam,
        sources.flux_int_jy, sources.flux_int_err_jy, sources.snr, sources.quality_flags,
        strict=True,
    ):  # fmt: skip
        yield (
            _sexagesimal(ra % 360 / 15, digits=3, turn=24),
            ("-" if dec < 0 else "+") + _sexagesimal(abs(dec), digits=2),
            f"{3600 * max(ra_err, dec_err):.2f}",
            f"{peak / scale:.{peak_decimals}f} ± {peak_err / scale:.{peak_decimals}f}",
            f"{total / scale:.{int_decimals}f} ± {total_err / scale:.{int_decimals}f}",
            f"{snr:.1f}",
            ",".join(names_of(int(flags))) or "-",
        )


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Return rows as lines: numbers end below each other, the last column begins so."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return lines


def _sexagesimal(value: float, *, digits: int, turn: int | None = None) -> str:
    """Return hours or degrees as h:m:s; rounding carries over, 24h is 0h."""
    unit = 10**digits
    total = round(value * 3600 * unit)
    whole, rest = divmod(total, 3600 * unit)
    minutes, seconds = divmod(rest, 60 * unit)
    width = digits + 3
    return (
        f"{whole % turn if turn else whole:02d}:{minutes:02d}:{seconds / unit:0{width}.{digits}f}"
    )


def _decimals(errors: FloatArray) -> int:
    """Return the decimals that show two digits of the smallest error of a column."""
    known = errors[np.isfinite(errors) & (errors > 0)]
    if not known.size:
        return 3
    return min(max(1 - math.floor(math.log10(float(known.min()))), 0), 6)


def _unit(size_jy: float) -> tuple[float, str]:
    """Return the unit in which a flux [Jy] has digits before its point, or nearly so."""
    name = next(name for limit, name in _UNITS if not size_jy < limit)
    return {"Jy": 1.0, "mJy": 1e-3, "uJy": 1e-6}[name], name


def _flux(flux_jy: float) -> str:
    scale, name = _unit(flux_jy)
    return f"{flux_jy / scale:.3g} {name}"
