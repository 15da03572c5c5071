"""What the numbers of one alert must have in common: rules that hold whatever happened."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sky.geometry import to_galactic
from tests.support.voevent import read_packet

__all__ = ["CELL_DIGITS", "Said", "find_contradictions", "is_close", "to_time"]

Said = dict[str, Any]
# Numbers have six digits, cells of tables five.
DIGITS, CELL_DIGITS = 6e-6, 6e-5
_SIGMAS_OF_90_PERCENT = 2.14597
_DIRECTIONS = {
    "vanished": "fainter", "faded": "fainter", "new_source": "brighter", "returned": "brighter",
}  # fmt: skip
# As the VOEvent and the notice name it.
_SAME = {
    "peak_flux": "peak_flux_jy", "peak_flux_error": "peak_flux_err_jy", "int_flux": "flux_int_jy",
    "int_flux_error": "flux_int_err_jy", "snr": "image_snr", "local_rms": "rms_local_jy_beam",
    "previous_limit": "limit_previous_jy_beam", "previous_flux": "previous_flux_jy",
    "trigger_significance": "trigger_sigma", "expected_flux": "expected_flux_jy",
    "time_start": "observation_start", "TrigID": "id", "AlertType": "alert_type",
    "AlertTense": "alert_tense", "eta_nu": "eta", "V_nu": "v", "angular_rate": "rate_arcsec_s",
    "direction": "direction_deg", "int_time": "image_duration",
}  # fmt: skip
_BEFORE = ("last_flux_time", "last_non_detection", "limit_previous_time", "previous_time")
_COMPARED = {
    "mean": "mean_flux_jy_beam", "expected": "expected_flux_jy", "limit": "limit_previous_jy_beam",
}  # fmt: skip
_TOGETHER = (
    ("last_flux_jy_beam", "last_flux_time"),
    ("mean_flux_jy_beam", "mean_flux_err_jy_beam"),
    ("limit_previous_jy_beam", "limit_previous_freq_mhz"),
    ("rate_arcsec_s", "direction_deg"),
)


def find_contradictions(packet: bytes, notice: bytes) -> list[str]:
    """Return what is wrong in one alert, in words; empty if nothing is."""
    said = json.loads(notice)
    rules = (_times, _place, _fluxes, _change, _trigger, _time_scales, _looks, _bands, _novelty)
    found = [words for rule in rules for words in rule(said)]
    return [f"{said['ivorn']}: {words}" for words in [*found, *_differences(packet, said)]]


def is_close(one: float, other: float, digits: float = DIGITS) -> bool:
    """Return whether two numbers are the same but for digits that are not told."""
    return math.isclose(one, other, rel_tol=digits, abs_tol=1e-12)


def to_time(text: str) -> datetime:
    """Return a time of a notice."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _times(said: Said) -> Iterator[str]:
    names = ("observation_start", "trigger_time", "observation_stop", "alert_datetime")
    times = [to_time(said[name]) for name in names]
    if times != sorted(times):
        yield f"times are not in order: {times}"
    for name in _BEFORE:
        if said.get(name) is not None and to_time(said[name]) >= times[0]:
            yield f"{name} {said[name]} is not before {times[0]}"
    exposure_s = (times[2] - times[0]).total_seconds()
    if not math.isclose(exposure_s, said["image_duration"], abs_tol=1e-5):
        yield f"exposure of {exposure_s} s, said to be {said['image_duration']}"


def _place(said: Said) -> Iterator[str]:
    major, minor = said["position_a_error"], said["position_b_error"]
    if not 0 < minor <= major == said["ra_dec_error"]:
        yield f"ellipse of {major} by {minor}, radius {said['ra_dec_error']}"
    if not (0 <= said["ra"] < 360 and -90 <= said["dec"] <= 90):
        yield f"position {said['ra']} {said['dec']}"
    galactic = to_galactic(said["ra"], said["dec"])
    told = said["gal_l_deg"], said["gal_b_deg"]
    if math.dist(galactic, told) > 1e-5:
        yield f"galactic position is {galactic}, said to be {told}"
    yield from _errors(said, major)


def _errors(said: Said, major: float) -> Iterator[str]:
    errors = (said["ra_err_deg"], said["dec_err_deg"])
    if None in errors:
        return
    if major < 180 and not is_close(major, _SIGMAS_OF_90_PERCENT * max(errors), 1e-5):
        yield f"errors of {errors}, ellipse of {major}"
    if said["systematic_err_deg"] is None:
        return
    for name, error in zip(("ra", "dec"), errors, strict=True):
        parts = said[f"{name}_stat_err_deg"], said["systematic_err_deg"]
        if not is_close(math.hypot(*parts), error, 1e-5):
            yield f"{name}: parts {parts}, error {error}"


def _fluxes(said: Said) -> Iterator[str]:
    flux, snr, rms = said["peak_flux_jy"], said.get("image_snr"), said["rms_local_jy_beam"]
    if None not in (flux, snr, rms) and not is_close(snr, flux / rms, 0.2):
        yield f"S/N {snr} of {flux} over {rms}"
    if "flux_density" in said and not is_close(said["flux_density"], flux * 1e-23):
        yield f"flux_density {said['flux_density']} of {flux} Jy"
    band = said.get("spectral_band")
    if band and not band[0] <= said["flux_density_spectral_point"] <= band[1]:
        yield f"frequency {said['flux_density_spectral_point']} outside of {band}"
    rate_hz, per_day = said.get("far"), said["false_alarms_per_day"]
    is_told = rate_hz is not None
    if is_told != (per_day is not None) or (
        is_told and not is_close(rate_hz * 86_400, per_day, 1e-5)
    ):
        yield f"far {rate_hz} Hz, {per_day} a day"
    if not 0 <= said["importance"] <= 1:
        yield f"importance {said['importance']}"


def _change(said: Said) -> Iterator[str]:
    """Yield where factor, sign and significance of the change are not of the fluxes beside."""
    change, factor, flux = said["flux_change"], said["flux_factor"], said["peak_flux_jy"]
    if (against := said["flux_change_against"]) is None:
        return
    if (against == "expected") != (said["expected_flux_jy"] is not None):
        yield f"{said['kind']} by {said['trigger']}, changed against {against}"
    other = said[_COMPARED[against]]
    if other is None:
        yield f"changed against a {against} that is not said"
        return
    now, before = (-flux, -other) if flux < 0 and said["stokes"] != "I" else (flux, other)
    if now != before and (now > before) != (change == "brighter"):
        yield f"{flux} is {change} than {other}"
    if factor is not None and not is_close(abs(factor * other), abs(flux), 1e-5):
        yield f"factor {factor}, {other} -> {flux}"
    sigma = said["flux_change_sigma"]
    if sigma and (sigma > 0) != (change == "brighter"):
        yield f"{change} by {sigma} sigma"


def _trigger(said: Said) -> Iterator[str]:
    """Yield where a first alert says of its reason what its fluxes do not."""
    sigma, expected, change = said["trigger_sigma"], said["expected_flux_jy"], said["flux_change"]
    if said["alert_type"] != "initial":
        return
    direction = _DIRECTIONS.get(said["kind"])
    if direction is not None and change not in (direction, "unknown"):
        yield f"{said['kind']}, {change}"
    # That of the whole history is a scatter, which has no sign.
    if not sigma or said["trigger"] == "history":
        return
    if expected is not None and (sigma > 0) != (said["peak_flux_jy"] > expected):
        yield f"trigger of {sigma} sigma, {expected} expected, {said['peak_flux_jy']} measured"
    if change != "unknown" and (sigma > 0) != (change == "brighter"):
        yield f"trigger {said['trigger']} of {sigma} sigma, {change}"


def _time_scales(said: Said) -> Iterator[str]:
    for name in ("rise_time_max_s", "fall_time_max_s", "seen_for_s"):
        if said[name] is not None and said[name] <= 0:
            yield f"{name} is {said[name]}"
    is_fainter = said["flux_change"] == "fainter"
    if said["rise_time_max_s" if is_fainter else "fall_time_max_s"] is not None:
        yield f"a source that is {said['flux_change']} has the other time"


def _looks(said: Said) -> Iterator[str]:
    if said["n_detections"] > said["n_looks"]:
        yield f"{said['n_detections']} detections in {said['n_looks']} looks"
    for one, other in _TOGETHER:
        if (said[one] is None) != (said[other] is None):
            yield f"{one} is {said[one]}, {other} is {said[other]}"
    is_measured = said["last_flux_jy_beam"] is not None
    if is_measured and not (said["n_looks"] and said["mean_flux_jy_beam"] is not None):
        yield f"a last flux, {said['n_looks']} looks and a mean of {said['mean_flux_jy_beam']}"
    if (said["previous_time"] is None) != (said["n_look_back"] == 0):
        yield f"{said['n_look_back']} looks back, the last one at {said['previous_time']}"


def _bands(said: Said) -> Iterator[str]:
    own = [each for each in said["bands"] if each["is_headline"]]
    if said["bands"] and len(own) != 1:
        yield f"{len(own)} headline bands"
    for each in own:
        pairs = (
            (each["freq_mhz"], said["flux_density_spectral_point"]),
            (each["flux_peak_jy_beam"], said["peak_flux_jy"]),
            (each["snr"], said["image_snr"]),
        )
        if any(one is not None and not is_close(one, other, CELL_DIGITS) for one, other in pairs):
            yield f"table and headline are {pairs}"
        if each["stokes"] != said["stokes"]:
            yield f"headline of Stokes {each['stokes']}, alert of {said['stokes']}"
    for each in said["bands"]:
        limit, flux, kind = (
            each[name] for name in ("limit_jy_beam", "flux_peak_jy_beam", "extraction_type")
        )
        if kind == "blind" and None not in (limit, flux) and abs(flux) < limit * 0.8:
            yield f"detected at {flux}, below the limit of {limit}"
        if (kind == "limit") != (flux is None):
            yield f"{kind} with a flux of {flux}"


def _novelty(said: Said) -> Iterator[str]:
    if (said["kind"] == "moving") != (said["rate_arcsec_s"] is not None):
        yield f"{said['kind']}, rate {said['rate_arcsec_s']}"
    if said["kind"] != "new_source" or said["alert_type"] != "initial":
        return
    for name in ("limit_previous_jy_beam", "previous_flux_jy", "mean_flux_jy_beam"):
        if said[name] is not None and abs(said["peak_flux_jy"]) <= abs(said[name]):
            yield f"new at {said['peak_flux_jy']}, {name} is {said[name]}"


def _differences(packet: bytes, said: Said) -> Iterator[str]:
    """Yield where the VOEvent says another thing than the notice."""
    root = read_packet(packet)
    for param in root.iter("Param"):
        name, text = str(param.get("name")), str(param.get("value"))
        value = said.get(_SAME.get(name, name))
        if not isinstance(value, list | dict | None) and not _is_same(text, value):
            yield f"{name} is {text} in the packet, {value} in the notice"
    (instant,), (why,) = root.iter("ISOTime"), root.iter("Why")
    if abs((to_time(instant.text or "") - to_time(said["trigger_time"])).total_seconds()) > 1e-3:
        yield f"{instant.text} in the packet, {said['trigger_time']} in the notice"
    name = why.findtext("Name") or ""
    if (said["alert_type"] == "retraction") != name.startswith("Retracted"):
        yield f"a {said['alert_type']} is named {name}"
    is_late = said["alert_datetime"] >= str(why.get("expires", "9999"))
    if said["alert_tense"] == "current" and is_late:
        yield "it has expired when it is sent"


def _is_same(text: str, value: object) -> bool:
    """Return whether a value of a packet is that of a notice: a number, a time or a text."""
    try:
        return is_close(float(text), float(str(value)), 1e-5)
    except ValueError:
        pass
    try:
        return to_time(text) == to_time(str(value))
    except ValueError:
        return text == value
