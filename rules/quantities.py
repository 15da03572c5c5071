"""Quantities of an event that a rule can name, each in Python and in SQL with one meaning.

A quantity without a value (null, NaN, an infinity) is missing: no comparison with it is true.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Literal

from schemas.messages import SourceEvent
from schemas.quality import QualityFlag
from sky.stokes import STOKES_NAMES

__all__ = ["QUANTITIES", "Facts", "Quantity", "Value", "facts_of"]

Value = float | str | bool | None
Facts = Mapping[str, Value]
# Fluxes outside are not physical, and their ratio would overflow.
_FLUX_RANGE = (1e-100, 1e100)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity that a rule can name.

    Parameters
    ----------
    kind : str
        ``number``, ``text`` or ``flag``.
    doc : str
        Its meaning, with the unit.
    value : callable
        Returns it from an event.
    sql : str
        Expression for it from column ``event`` of table ``source_event``.
    choices : tuple of str
        The values that a text can have, where ``:N`` at an end is a colon and a number; empty if
        it can be any.
    least, most : float
        The values that a number can have lie between, these included.
    is_whole : bool
        It counts something, and is never missing.
    """

    kind: Literal["number", "text", "flag"]
    doc: str
    value: Callable[[SourceEvent], Value]
    sql: str
    choices: tuple[str, ...] = ()
    least: float = -math.inf
    most: float = math.inf
    is_whole: bool = False

    def can_be(self, value: float | str) -> bool:
        """Return whether it ever has a value."""
        return not self.choices or any(_is_choice(value, choice) for choice in self.choices)

    @property
    def range_in_words(self) -> str:
        """What a number can be; empty if that is not known."""
        if math.isfinite(self.most):
            return f"{self.least:g} to {self.most:g}"
        return f"at least {self.least:g}" if math.isfinite(self.least) else ""


def _is_choice(value: float | str, choice: str) -> bool:
    if not choice.endswith(":N"):
        return value == choice
    start, _, number = str(value).partition(":")
    is_number = number.isascii() and number.isdecimal() and not number.startswith("0")
    return is_number and f"{start}:N" == choice


def _read_choices(field: str) -> tuple[str, ...]:
    """Return the values of a field that is an enumeration in Avro."""
    schema = json.loads((files("schemas") / "avro" / "source_event.avsc").read_text("utf-8"))
    (kind,) = (each["type"] for each in schema["fields"] if each["name"] == field)
    return tuple(kind["symbols"])


_CHANGES = _read_choices("kind")
# These are about an event of another kind.
_ABOUT_OTHERS = frozenset({"update", "retraction"})


def _number(field: str, doc: str, *, least: float = -math.inf, most: float = math.inf) -> Quantity:
    sql = f"(event ->> '{field}')::float8"
    return Quantity(
        "number", doc, lambda event: _finite(getattr(event, field)), sql, least=least, most=most
    )


def _count(field: str, doc: str) -> Quantity:
    return replace(_number(field, doc, least=0.0), is_whole=True)


def _text(field: str, doc: str, choices: tuple[str, ...] = ()) -> Quantity:
    sql = f"(event ->> '{field}')"
    return Quantity("text", doc, lambda event: getattr(event, field), sql, choices)


def _flag(bit: QualityFlag, doc: str) -> Quantity:
    mask = int(bit)  # an operation of an enumeration costs ten of integers
    return Quantity(
        "flag",
        doc,
        lambda event: bool(event.quality_flags & mask),
        f"((event ->> 'quality_flags')::bigint & {mask} <> 0)",
    )


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _kind(event: SourceEvent) -> str:
    return event.transient_kind or event.kind


def _excess(event: SourceEvent) -> float | None:
    flux, limit = event.flux_peak_jy_beam, event.limit_previous_jy_beam
    if limit is None or not (
        _FLUX_RANGE[0] < flux < _FLUX_RANGE[1] and _FLUX_RANGE[0] < limit < _FLUX_RANGE[1]
    ):
        return None
    return flux / limit


_FLUX, _LIMIT = (
    f"(event ->> '{field}')::float8" for field in ("flux_peak_jy_beam", "limit_previous_jy_beam")
)
_ARE_PHYSICAL = " and ".join(
    f"{each} > {_FLUX_RANGE[0]} and {each} < {_FLUX_RANGE[1]}" for each in (_FLUX, _LIMIT)
)

QUANTITIES: dict[str, Quantity] = {
    "kind": Quantity(
        "text",
        "new_source, variable, faded, vanished, returned or moving, also of an update",
        _kind,
        "coalesce(nullif(event ->> 'transient_kind', ''), event ->> 'kind')",
        tuple(each for each in _CHANGES if each not in _ABOUT_OTHERS),
    ),
    "change": Quantity(
        "text",
        "as kind, or update or retraction: what the event announces",
        lambda event: event.kind,
        "(event ->> 'kind')",
        _CHANGES,
    ),
    "certainty": _text("certainty", "certain or possible", _read_choices("certainty")),
    "stream": _text("stream", "name of the stream"),
    "telescope": _text("telescope", "name of the telescope, as TELESCOP of images has it"),
    "stokes": _text("stokes", "Stokes parameter or correlation of receivers", STOKES_NAMES),
    "snr": _number(
        "snr",
        "peak over local rms; it may be below 0 where it was measured at a known place, as of a "
        "source that vanished or is taken back [-]",
    ),
    "flux_peak_jy_beam": _number("flux_peak_jy_beam", "peak brightness [Jy/beam]"),
    "flux_int_jy": _number("flux_int_jy", "integrated flux density [Jy]"),
    "rms_local_jy_beam": _number("rms_local_jy_beam", "local rms [Jy/beam]", least=0.0),
    "limit_previous_jy_beam": _number(
        "limit_previous_jy_beam", "least peak that earlier images would have shown there [Jy/beam]"
    ),
    "excess": Quantity(
        "number",
        "flux_peak_jy_beam over limit_previous_jy_beam [-]",
        _excess,
        f"(case when {_ARE_PHYSICAL} then {_FLUX} / {_LIMIT} end)",
        least=0.0,
    ),
    "eta": _number("eta", "reduced chi-square of the integrated flux, forced points included [-]"),
    "v": _number("v", "coefficient of variation in the band of that eta [-]"),
    "eta_peak": _number("eta_peak", "eta of the peak flux [-]"),
    "v_peak": _number("v_peak", "v in the band of eta_peak [-]"),
    "eta_blind": _number("eta_blind", "eta of the blind points alone [-]"),
    "v_blind": _number("v_blind", "v in the band of eta_blind [-]"),
    "eta_peak_blind": _number("eta_peak_blind", "eta_peak of the blind points alone [-]"),
    "v_peak_blind": _number("v_peak_blind", "v in the band of eta_peak_blind [-]"),
    "n_datapoints": _count(
        "n_datapoints", "measurements of the source so far, blind and forced [-]"
    ),
    "n_forced": _count("n_forced", "forced measurements among them [-]"),
    "n_bands": _count("n_bands", "bands with a detection in this timestep [-]"),
    "n_episodes": _count(
        "n_episodes", "episodes of activity of the source so far, this one included [-]"
    ),
    "trigger": _text(
        "trigger",
        "test that raised it: new, single, window:N (looks), history, missed or track",
        ("new", "single", "window:N", "history", "missed", "track"),
    ),
    "trigger_sigma": _number("trigger_sigma", "significance of that test [-]"),
    "flux_expected_jy_beam": _number(
        "flux_expected_jy_beam", "peak brightness that was expected [Jy/beam]"
    ),
    "rate_arcsec_s": _number(
        "rate_arcsec_s", "angular rate of a moving object [arcsec/s]", least=0.0
    ),
    "extraction_type": _text(
        "extraction_type",
        "blind, forced or monitor: how it was measured",
        _read_choices("extraction_type"),
    ),
    "freq_eff_hz": _number("freq_eff_hz", "centre of the band [Hz]", least=0.0),
    "exposure_s": _number("exposure_s", "exposure [s]", least=0.0),
    "ra": _number("ra", "right ascension, ICRS [deg]", least=0.0, most=360.0),
    "dec": _number("dec", "declination, ICRS [deg]", least=-90.0, most=90.0),
    "ra_err_deg": _number("ra_err_deg", "its error, 1 sigma on the sky [deg]", least=0.0),
    "dec_err_deg": _number("dec_err_deg", "its error, 1 sigma on the sky [deg]", least=0.0),
    "edge_distance_deg": _number(
        "edge_distance_deg", "distance to the border of the searched area [deg]"
    ),
    "p_false": _number(
        "p_false",
        "probability of being an artefact of a bright source; missing if not blind [-]",
        least=0.0,
        most=1.0,
    ),
    "is_edge": _flag(
        QualityFlag.EDGE, "within 2 px of the border of the image: never with the default margin"
    ),
    "is_blended": _flag(QualityFlag.BLENDED, "shares its island with another peak"),
    "has_blank_pixels": _flag(QualityFlag.BLANK_PIXELS, "some of its pixels were blank"),
    "has_fit_failed": _flag(QualityFlag.FIT_FAILED, "measured without a fit"),
    "is_extended": _flag(QualityFlag.EXTENDED, "larger than the beam"),
    "is_near_bright": _flag(
        QualityFlag.NEAR_BRIGHT, "may be a side lobe of a source 100 times brighter"
    ),
    "is_near_known": _flag(
        QualityFlag.NEAR_KNOWN, "new within the match radius of a known source of another flux"
    ),
    "is_solar_system": _flag(
        QualityFlag.SOLAR_SYSTEM, "first seen where the Sun, the Moon or a planet is"
    ),
    "is_negative": _flag(QualityFlag.NEGATIVE, "negative, in an image of Stokes Q, U or V"),
    "is_poor_fit": _flag(QualityFlag.POOR_FIT, "its residuals are larger than noise explains"),
    "is_side_lobe": _flag(
        QualityFlag.SIDE_LOBE, "first seen in a family of side lobes of a bright source"
    ),
}


def facts_of(event: SourceEvent) -> dict[str, Value]:
    """Return every quantity of an event; a missing one is None."""
    return {name: quantity.value(event) for name, quantity in QUANTITIES.items()}
