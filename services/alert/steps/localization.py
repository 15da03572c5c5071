"""How well a position is known: statistical and systematic error, and the ellipse of 90 %."""

import math
from dataclasses import dataclass

from runtime.settings import AlertSettings
from schemas.messages import SourceEvent

__all__ = ["CONTAINMENT_PROBABILITY", "Localization", "find_localization"]

CONTAINMENT_PROBABILITY = 0.9
# Radius of 90 % of a circular two-dimensional Gaussian [sigma].
_SIGMAS_OF_RADIUS = math.sqrt(-2 * math.log(1 - CONTAINMENT_PROBABILITY))
_WHOLE_SKY_DEG = 180.0


@dataclass(frozen=True, slots=True)
class Localization:
    """The errors of a position.

    Parameters
    ----------
    major_deg, minor_deg : float
        Semi-axes of the ellipse of 90 %, systematic error included [deg].
    pa_deg : float
        Position angle of the major axis, north through east [deg].
    ra_stat_deg, dec_stat_deg : float or None
        Statistical 1-sigma errors on the sky [deg]; None: not known apart.
    systematic_deg : float or None
        Systematic 1-sigma error per axis [deg]; None: not known apart.
    ra_err_deg, dec_err_deg : float
        Both in quadrature, 1 sigma [deg]; NaN where unknown.
    """

    major_deg: float
    minor_deg: float
    pa_deg: float
    ra_stat_deg: float | None
    dec_stat_deg: float | None
    systematic_deg: float | None
    ra_err_deg: float
    dec_err_deg: float


def find_localization(event: SourceEvent, settings: AlertSettings) -> Localization:
    """Return the errors of the position of an event.

    The systematic error of association, the same for every beam, gives way to the one of the
    settings: a tenth of the beam unless it is set in arcsec. Without errors of the fit the
    ellipse is the beam, without a beam the sky.
    """
    floor_deg = _find_floor_deg(event, settings)
    errors = (event.ra_err_deg, event.dec_err_deg)
    if not all(math.isfinite(error) and error > 0 for error in errors):
        beam = event.beam_major_deg
        radius = min(_WHOLE_SKY_DEG, beam) if math.isfinite(beam) and beam > 0 else _WHOLE_SKY_DEG
        return Localization(radius, radius, 0.0, None, None, None, math.nan, math.nan)
    included_deg = event.position_systematic_err_deg
    if included_deg is None or floor_deg is None or not 0 <= included_deg < _WHOLE_SKY_DEG:
        return _to_ellipse(errors, None, None)
    stat = [
        math.sqrt(max(error - included_deg, 0.0)) * math.sqrt(error + included_deg)
        for error in errors
    ]
    total = (math.hypot(stat[0], floor_deg), math.hypot(stat[1], floor_deg))
    if not all(total):  # neither error is known
        return _to_ellipse(errors, None, None)
    return _to_ellipse(total, (stat[0], stat[1]), floor_deg)


def _find_floor_deg(event: SourceEvent, settings: AlertSettings) -> float | None:
    """Return the systematic error of alerts [deg]; None for an unknown beam."""
    if settings.systematic_position_error_arcsec is not None:
        return settings.systematic_position_error_arcsec / 3600
    floor_deg = settings.systematic_position_error_beams * event.beam_major_deg
    return floor_deg if math.isfinite(floor_deg) and floor_deg >= 0 else None


def _to_ellipse(
    total: tuple[float, float], stat: tuple[float, float] | None, systematic_deg: float | None
) -> Localization:
    ra_err_deg, dec_err_deg = total
    return Localization(
        major_deg=_round(min(_WHOLE_SKY_DEG, _SIGMAS_OF_RADIUS * max(total))),
        minor_deg=_round(min(_WHOLE_SKY_DEG, _SIGMAS_OF_RADIUS * min(total))),
        pa_deg=90.0 if ra_err_deg > dec_err_deg else 0.0,
        ra_stat_deg=None if stat is None else stat[0],
        dec_stat_deg=None if stat is None else stat[1],
        systematic_deg=systematic_deg,
        ra_err_deg=ra_err_deg,
        dec_err_deg=dec_err_deg,
    )


def _round(value: float) -> float:
    """Return an error of six significant digits: the same in each place that has it."""
    return float(f"{value:.6g}")
