"""What VOEvent and notice have in common: identity, times, errors, latencies."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import version
from urllib.parse import quote

from pydantic import HttpUrl

from runtime.settings import AlertSettings
from schemas.messages import SourceEvent

__all__ = [
    "AlertName",
    "Row",
    "clean_text",
    "end_of_exposure",
    "instrument_of",
    "latencies_s",
    "link_to",
    "middle_of_exposure",
    "name_alert",
    "name_pipeline",
    "note_of",
    "ra_of",
    "round_to",
    "tense_of",
    "time_error_s",
    "time_limit_of",
    "time_previous_of",
    "to_text",
    "trigger_of",
    "usable_exposure_s",
    "variability_of",
]

# Name, value, unit, UCD; no value: it is unknown.
Row = tuple[str, str | float | int | None, str, str]
_MAX_EXPOSURE_S = 1e7
_MAX_NAME_CHARS = 100
_MAX_TEXT_CHARS = 200
_MAX_NOTE_CHARS = 500
_MAX_CODE_CHARS = 20
# The packet has room for so many bytes of citations; of a longer family the first and the latest.
_MAX_CITED_BYTES = 5000
_CITATION_BYTES = 60  # around an ivorn
# Standard deviation of a uniform distribution [of its width].
_SIGMA_OF_UNIFORM = 1 / math.sqrt(12)
_ILLEGAL_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ARCHIVAL_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class AlertName:
    """The identity of an alert, and the alerts that it cites.

    Parameters
    ----------
    ivorn : str
        ``ivo://<authority>/<stream>#<trig_id>.<revision>``.
    cited : tuple of str
        Earlier ivorns of its `trig_id`: all of them if the alert takes their place or takes them
        back, else the first and the latest.
    event_name : str or None
        Name of its family for people; None: it has none.
    """

    ivorn: str
    trig_id: str
    revision: int
    alert_type: str
    cited: tuple[str, ...]
    event_name: str | None = None


def _sanitise(text: str) -> str:
    """Return `text` with only the characters that an ivorn may have."""
    return re.sub(r"[^A-Za-z0-9._~-]", "-", text)[:_MAX_NAME_CHARS] or "-"


def clean_text(text: str) -> str:
    """Return a text without characters that XML or PostgreSQL refuses, at most 200 characters."""
    if text.isprintable():  # quickly told, and true of nearly every text: all of it is legal
        return text[:_MAX_TEXT_CHARS]
    return _ILLEGAL_IN_XML.sub("", text)[:_MAX_TEXT_CHARS]


def trigger_of(event: SourceEvent) -> str:
    """Return the test that raised an event, or that it is an update or a retraction."""
    is_news = not event.trigger and event.kind in ("update", "retraction")
    return clean_text(event.kind if is_news else event.trigger)[:_MAX_CODE_CHARS]


def note_of(event: SourceEvent) -> str | None:
    """Return the reason of an update or retraction, cleaned; at most 500 characters."""
    return event.note and _ILLEGAL_IN_XML.sub("", event.note)[:_MAX_NOTE_CHARS]


def ra_of(event: SourceEvent) -> float:
    """Return the right ascension, 0 to below 360 [deg]."""
    return float(event.ra) % 360.0 % 360.0  # twice: for a tiny negative the first result is 360


def instrument_of(event: SourceEvent, settings: AlertSettings) -> str:
    """Return the instrument of an alert: as set, else the telescope, else the stream."""
    return clean_text(settings.instrument or event.telescope or event.stream)


def name_alert(event: SourceEvent, authority: str, revision: int) -> AlertName:
    """Return the identity of the alert of `event`."""
    trig_id = _sanitise(event.trig_id)
    base = f"ivo://{authority}/{_sanitise(event.stream)}#{trig_id}."
    if event.kind == "retraction":
        alert_type = "retraction"
    elif not revision:  # also the first alert about an older source
        alert_type = "initial"
    else:
        alert_type = "update" if event.kind == "update" else "subsequent"
    most = _MAX_CITED_BYTES // (len(base) + _CITATION_BYTES)
    cited = tuple(f"{base}{each}" for each in _revisions_cited(alert_type, revision, most))
    return AlertName(f"{base}{revision}", trig_id, revision, alert_type, cited)


def _revisions_cited(alert_type: str, revision: int, most: int) -> list[int]:
    """Return the numbers of the earlier alerts to cite, first one first."""
    if alert_type in ("update", "retraction"):
        earlier = list(range(revision))
        return earlier[:1] + earlier[1:][1 - most :]
    return sorted({0, revision - 1}) if revision else []


def link_to(name: AlertName, public_url: HttpUrl | None) -> str | None:
    """Return the address of an alert in the api, if the api has a public one."""
    if public_url is None:
        return None
    return f"{str(public_url).rstrip('/')}/api/v1/alerts/{quote(name.ivorn, safe=':/')}"


@cache
def name_pipeline() -> str:
    """Return name and version of this software; cached, as the look-up is slow."""
    return f"LiveTrap {version('livetrap')}"


def usable_exposure_s(event: SourceEvent) -> float:
    """Return the exposure [s]; 0 where it is unknown or absurd."""
    exposure_s = event.exposure_s
    return exposure_s if 0 <= exposure_s <= _MAX_EXPOSURE_S else 0.0


def time_error_s(event: SourceEvent) -> float:
    """Return the 1-sigma error of the middle of the exposure as the time of the event [s]."""
    return float(f"{usable_exposure_s(event) * _SIGMA_OF_UNIFORM:.6g}")


def variability_of(event: SourceEvent) -> tuple[float | None, float | None]:
    """Return eta and V [-]; None for a source that was seen in one timestep only."""
    if event.n_datapoints <= event.n_bands or event.eta is None or event.v is None:
        return None, None
    return float(event.eta), float(event.v)


def middle_of_exposure(event: SourceEvent) -> datetime:
    """Return the middle of the exposure, UTC."""
    try:
        return event.time_start + timedelta(seconds=usable_exposure_s(event) / 2)
    except OverflowError:
        return event.time_start


def end_of_exposure(event: SourceEvent) -> datetime:
    """Return the end of the exposure, UTC."""
    middle = middle_of_exposure(event)
    try:
        return middle + (middle - event.time_start)
    except OverflowError:
        return middle


def time_previous_of(event: SourceEvent) -> datetime | None:
    """Return when the latest image that was looked back at was exposed, UTC; None: unknown."""
    try:
        return event.time_previous and event.time_previous.astimezone(UTC)
    except OverflowError:
        return None


def time_limit_of(event: SourceEvent) -> datetime | None:
    """Return when the limit before was observed, UTC; None: unknown."""
    try:
        return event.time_limit_previous and event.time_limit_previous.astimezone(UTC)
    except OverflowError:
        return None


def round_to(value: float | None, digits: int = 6) -> float | None:
    """Return a number with six significant digits; None where it is none."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")


def to_text(time: datetime | None) -> str | None:
    """Return a time in UTC as ISO 8601, to a millisecond."""
    if time is None:
        return None
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def tense_of(event: SourceEvent, role: str, time_alert: datetime) -> str:
    """Return GCN's alert_tense: test, injection, archival for old images, or current."""
    if role in ("test", "injection"):
        return role
    return "archival" if time_alert - event.time_start > _ARCHIVAL_AFTER else "current"


def latencies_s(event: SourceEvent, time_alert: datetime) -> dict[str, float | None]:
    """Return how long each stage took [s]; None where a time is missing."""
    times = event.times

    def between(start: datetime | None, stop: datetime | None) -> float | None:
        return None if start is None or stop is None else (stop - start).total_seconds()

    return {
        "ingest": between(times.time_sent, times.time_appended),
        "extract": between(times.time_appended, times.time_extracted),
        "associate": between(times.time_extracted, times.time_associated),
        "alert": between(times.time_associated, time_alert),
        "total": between(times.time_appended, time_alert),
    }
