"""What the alerts of one family, in their order, must have in common."""

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.support.packet_rules import CELL_DIGITS, DIGITS, Said, is_close, to_time

__all__ = ["find_contradictions_of_family"]

_KEPT = ("id", "event_name", "stream", "kind", "n_episodes", "contact_email")


def find_contradictions_of_family(notices: Sequence[bytes]) -> list[str]:
    """Return what alerts of one family say against each other, in words."""
    family = [json.loads(each) for each in notices]
    found = [
        f"{each['ivorn']}: {words}"
        for number, each in enumerate(family)
        for words in _identity(each, family[:number])
    ]
    for before, after in pairwise(family):
        rules = (*_steps(before, after), *_looks(before, after), *_first_band(family[0], after))
        found += [f"{after['ivorn']}: {words}" for words in rules]
    return found


def _identity(said: Said, before: Sequence[Said]) -> Iterator[str]:
    if before and not set(said["cited_ivorns"]) <= {each["ivorn"] for each in before}:
        yield f"cites {said['cited_ivorns']}, not of its family"
    if said["record_number"] != len(before) + 1:
        yield f"number {said['record_number']} of {len(before) + 1}"
    is_first = not before
    if is_first != (said["alert_type"] == "initial") or is_first == ("headline_band" in said):
        yield f"{said['alert_type']} after {len(before)} others"


def _steps(before: Said, after: Said) -> Iterator[str]:
    for name in _KEPT:
        if before.get(name) != after.get(name):
            yield f"{name} was {before.get(name)} and is {after.get(name)}"
    if to_time(after["observation_start"]) < to_time(before["observation_start"]):
        yield "it is of an earlier exposure than the alert before"
    if before["certainty"] == "certain" != after["certainty"]:
        yield "it is possible, and was certain"


def _looks(before: Said, after: Said) -> Iterator[str]:
    seen = before["seen_for_s"], after["seen_for_s"]
    if None not in seen and seen[1] < seen[0]:
        yield f"seen for {after['seen_for_s']} s, and for {before['seen_for_s']} before"
    if _band_of(before) == _band_of(after) and after["n_looks"] < before["n_looks"]:
        yield f"{after['n_looks']} looks, and {before['n_looks']} before"


def _band_of(said: Said) -> tuple[float, str]:
    return said["flux_density_spectral_point"], said["stokes"]


def _first_band(first: Said, after: Said) -> Iterator[str]:
    """Yield what a follow-up says of its first alert that it did not say, or of its band."""
    freq_mhz, stokes = _band_of(first)
    is_headline = (freq_mhz, stokes) == _band_of(after)
    if after["headline_band"] != ("first" if is_headline else "other"):
        yield f"its headline is of the {after['headline_band']} band, {_band_of(after)}"
    then = after["first_alert_flux_jy_beam"]
    told = (after["first_alert_freq_mhz"], then)
    if not all(map(is_close, told, (freq_mhz, first["peak_flux_jy"]))):
        yield f"the first alert said {freq_mhz} MHz and {first['peak_flux_jy']}, now {told}"
    if to_time(after["first_alert_time"]) != to_time(first["observation_start"]):
        yield f"the first alert was of {first['observation_start']}, {after['first_alert_time']}"
    flux, factor = after["first_band_flux_jy_beam"], after["first_band_factor"]
    # Each of the three is told to so many digits.
    if factor is not None and not is_close(factor * then, flux, 3 * DIGITS):
        yield f"factor {factor} since the first alert, {then} -> {flux}"
    measured = [
        each["flux_peak_jy_beam"]
        for each in after["bands"]
        if each["stokes"] == stokes
        and is_close(each["freq_mhz"], freq_mhz)
        and each["flux_peak_jy_beam"] is not None
    ]
    if [flux] != measured and not (
        flux is not None and measured and is_close(flux, measured[0], CELL_DIGITS)
    ):
        yield f"{flux} in the first band, {measured} in the table"
