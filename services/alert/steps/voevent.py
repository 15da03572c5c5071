"""The VOEvent 2.0 packet of an alert, written as text and validated before it is sent.

Elements have the names, the order and the text that voevent-parse gives them, so its
readers find what they expect (ADR 0016).
"""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache

from runtime.settings import AlertSettings
from schemas.messages import SourceEvent
from schemas.voevent import NAMESPACE
from services.alert.models import NO_CONTEXT, Decision
from services.alert.steps.context_rows import (
    BAND_COLUMNS,
    MATCH_COLUMNS,
    Cell,
    ContextTables,
    describe_context,
)
from services.alert.steps.event_rows import (
    association_rows,
    detection_rows,
    image_rows,
    provenance_rows,
    to_iso,
)
from services.alert.steps.facts import (
    AlertName,
    Row,
    clean_text,
    end_of_exposure,
    instrument_of,
    link_to,
    middle_of_exposure,
    name_pipeline,
    note_of,
    ra_of,
    tense_of,
    time_error_s,
)
from services.alert.steps.localization import Localization
from services.alert.steps.validation import assert_parts_valid, assert_short
from services.alert.steps.xml_text import element, escape_text, escape_value, leaf, to_decimal

__all__ = ["build_voevent"]

# Of a longer packet those rows are left out that are in the notice and that no observer needs;
# the alert's own page, at the end of the packet, has the links.
_ROOMY_BYTES = 10_000
_LEFT_OUT_OF_LONG = frozenset(
    {
        "latency_ingest", "latency_extract", "latency_associate", "latency_alert",
        "pipeline_version", "event_id", "ra_error", "dec_error", "image_url", "stamp_now_url",
        "stamp_before_url", "stamp_difference_url", "first_alert_time",
        "first_alert_flux_err_jy_beam", "first_band_factor", "eta_nu_blind", "V_nu_blind",
    }
)  # fmt: skip
_CITE = {"update": "supersedes", "retraction": "retraction"}
# Unified Astronomy Thesaurus: radio transient sources; variable radiation sources.
_CONCEPTS = dict.fromkeys(
    ("variable", "faded", "vanished", "returned"), "http://astrothesaurus.org/uat/1759"
)
_CONCEPT = "http://astrothesaurus.org/uat/2008"

_COORDINATES = "UTC-ICRS-TOPO"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_START = (
    "<?xml version='1.0' encoding='UTF-8'?>\n"
    f'<voe:VOEvent xmlns:xsi="{_XSI}" xmlns:voe="{NAMESPACE}"'
    f' xsi:schemaLocation="{NAMESPACE} http://www.ivoa.net/xml/VOEvent/VOEvent-v2.0.xsd"'
    ' version="2.0"'
)
# Without one a value is a text.
_DATA_TYPES = {str: "", int: ' dataType="int"', float: ' dataType="float"'}
# Columns of the bands that the packet has no room for; those of the alert's own band are above.
_NOTICE_ALONE = frozenset({"flux_int_jy", "flux_int_err_jy"})


def build_voevent(
    event: SourceEvent,
    name: AlertName,
    settings: AlertSettings,
    decision: Decision,
    time_alert: datetime,
    *,
    tables: ContextTables | None = None,
) -> bytes:
    """Return the packet; the same arguments give the same bytes.

    Parameters
    ----------
    event : SourceEvent
        Event of the alert; its position is finite.
    name : AlertName
        ivorn and citations.
    settings : AlertSettings
        Authority and expiry.
    decision : Decision
        Rule, importance, role.
    time_alert : datetime
        Time of the alert, UTC.
    tables : ContextTables or None
        What the catalogue has about the event; None: nothing.

    Returns
    -------
    bytes
        UTF-8 XML with declaration, valid against the VOEvent 2.0 schema, below 32 kB; below 10 kB
        with twelve bands and few citations.

    Raises
    ------
    RejectedMessageError
        If the packet would be invalid or too large.

    References
    ----------
    Seaman et al. (2011), VOEvent 2.0, IVOA Recommendation.
    """
    tables = tables or describe_context(event, NO_CONTEXT, settings)
    facts = _list_facts(event, tables.place, decision, time_alert)
    before = _declare(name.ivorn, decision.voevent_role) + _write_who(settings, time_alert)
    identity = tuple(_write_identity(name, tense_of(event, decision.role, time_alert)))
    after = _write_rest(event, name, settings, decision, time_alert, place=tables.place)
    for left_out in (frozenset[str](), _LEFT_OUT_OF_LONG):
        groups = [
            _write_group(group, [row for row in rows if row[0] not in left_out])
            for group, rows in facts.items()
        ]
        what = element("What", *identity, *groups, *_write_context(tables, left_out))
        data = f"{before}{what}{after}".encode()
        if len(data) < _ROOMY_BYTES:
            break
    assert_parts_valid(before, what, after)
    assert_short(data)
    return data


def _write_rest(
    event: SourceEvent,
    name: AlertName,
    settings: AlertSettings,
    decision: Decision,
    time_alert: datetime,
    *,
    place: Localization,
) -> str:
    """Return what follows the facts, to the end of the packet."""
    parts = [
        _write_where_when(event, settings, place),
        _write_how(),
        _write_why(event, decision, _expiry(event, settings.expires_s, time_alert)),
        _write_citations(name),
    ]
    if (link := link_to(name, settings.public_url)) is not None:
        parts.append(element("Reference", uri=link))
    return "".join((*parts, "</voe:VOEvent>"))


def _declare(ivorn: str, role: str) -> str:
    """Return the declaration and the start of the root: it alone has a namespace."""
    return f'{_START} role="{escape_value(role)}" ivorn="{escape_value(ivorn)}">'


def _write_who(settings: AlertSettings, time_alert: datetime) -> str:
    author = _write_author(
        settings.author_title, settings.mission, settings.contact_name, settings.contact_email
    )
    return element(
        "Who",
        leaf("AuthorIVORN", f"ivo://{settings.authority}/livetrap"),
        leaf("Date", to_iso(time_alert)),
        author,
    )


@lru_cache(maxsize=16)
def _write_author(title: str, mission: str, name: str | None, email: str | None) -> str:
    parts = [leaf("title", clean_text(title)), leaf("shortName", clean_text(mission))]
    if name is not None:
        parts.append(leaf("contactName", clean_text(name)))
    if email is not None:
        parts.append(leaf("contactEmail", clean_text(email)))
    return element("Author", *parts)


def _write_identity(name: AlertName, tense: str) -> Iterator[str]:
    yield _write_param("TrigID", name.trig_id, "", "meta.id")
    if name.event_name is not None:
        yield _write_param("event_name", name.event_name, "", "meta.id")
    yield _write_param("AlertType", name.alert_type, "", "")
    yield _write_param("AlertTense", tense, "", "")


def _list_facts(
    event: SourceEvent, place: Localization, decision: Decision, time_alert: datetime
) -> dict[str, list[Row]]:
    return {
        "image": image_rows(event),
        "detection": detection_rows(event, place),
        "association": association_rows(event, decision),
        "provenance": provenance_rows(event, time_alert),
    }


def _write_context(tables: ContextTables, left_out: frozenset[str]) -> Iterator[str]:
    """Yield what is known of the source beside the event."""
    yield _write_group("localization", tables.localization)
    history = [row for row in tables.history if row[0] not in left_out]
    yield _write_group("history", history + tables.spectrum)
    yield _write_group("significance", tables.significance[1:])  # the first: a unit of GCN
    if links := [row for row in tables.links if row[0] not in left_out]:
        yield _write_group("links", links)
    yield _write_table("bands", BAND_COLUMNS, tables.bands)
    yield _write_table("catalogue_matches", MATCH_COLUMNS, tables.matches)


def _write_table(
    name: str, all_columns: tuple[tuple[str, str, str], ...], all_rows: list[tuple[Cell, ...]]
) -> str:
    """Return a table; nothing if it has no rows; an unknown cell is empty."""
    if not all_rows:
        return ""
    kept = [n for n, column in enumerate(all_columns) if column[0] not in _NOTICE_ALONE]
    columns = [all_columns[number] for number in kept]
    rows = [[row[number] for number in kept] for row in all_rows]
    fields = []
    for number, (column, unit, ucd) in enumerate(columns):
        known = [row[number] for row in rows if row[number] is not None]
        is_text = bool(known) and all(isinstance(each, str | bool) for each in known)
        optional = {key: text for key, text in (("unit", unit), ("ucd", ucd)) if text}
        if not is_text:  # the default
            optional["dataType"] = "float"
        fields.append(element("Field", name=column, **optional))
    lines = ["".join(f"<TD>{_to_cell_text(cell)}</TD>" for cell in row) for row in rows]
    data = "".join(f"<TR>{line}</TR>" for line in lines)
    return element("Table", *fields, element("Data", data), name=name)


def _to_cell_text(cell: Cell) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, str):
        return escape_text(clean_text(cell))
    return "" if cell is None else to_decimal(cell)


def _write_group(name: str, rows: list[Row]) -> str:
    """Return a group of the rows with a value; NaN and infinities are left out."""
    params = [
        _write_param(name, value, unit, ucd)
        for name, value, unit, ucd in rows
        if value is not None and (not isinstance(value, float) or math.isfinite(value))
    ]
    return element("Group", *params, name=name)


def _write_param(name: str, value: str | float, unit: str, ucd: str) -> str:
    if isinstance(value, float):
        number = to_decimal(_round(value))
        return f'<Param name="{name}" value="{number}"{_end_param(unit, ucd, float)}'
    text = escape_value(clean_text(value)) if isinstance(value, str) else value
    return f'<Param name="{name}" value="{text}"{_end_param(unit, ucd, type(value))}'


@lru_cache(maxsize=1024)
def _end_param(unit: str, ucd: str, kind: type) -> str:
    """Return the attributes behind the value of a parameter: of few kinds, for every packet."""
    optional = (f' unit="{unit}"' if unit else "") + (f' ucd="{ucd}"' if ucd else "")
    return f"{optional}{_DATA_TYPES[kind]}/>"


def _round(value: float) -> float:
    """Return a number without digits that no measurement has."""
    return float(f"{value:.9g}")


def _write_where_when(event: SourceEvent, settings: AlertSettings, place: Localization) -> str:
    time = element(
        "Time",
        element("TimeInstant", leaf("ISOTime", to_iso(middle_of_exposure(event)))),
        leaf("Error", to_decimal(time_error_s(event))),
        unit="s",
    )
    position = _write_position(event, place)
    observation = element(
        "ObservationLocation",
        element("AstroCoordSystem", id=_COORDINATES),
        element("AstroCoords", time, position, coord_system_id=_COORDINATES),
    )
    observatory = element("ObservatoryLocation", id=instrument_of(event, settings))
    return element("WhereWhen", element("ObsDataLocation", observatory, observation))


def _write_position(event: SourceEvent, place: Localization) -> str:
    return element(
        "Position2D",
        leaf("Name1", "RA"),
        leaf("Name2", "Dec"),
        element(
            "Value2",
            leaf("C1", to_decimal(ra_of(event))),
            leaf("C2", to_decimal(float(event.dec))),
        ),
        leaf("Error2Radius", to_decimal(place.major_deg)),
        unit="deg",
    )


@cache
def _write_how() -> str:
    how = f"Image-plane search for radio transients: {name_pipeline()}"
    return element("How", leaf("Description", how))


def _expiry(event: SourceEvent, expires_s: float, time_alert: datetime) -> datetime | None:
    """Return when the alert expires; a retraction counts from its alert, not from an exposure."""
    start = time_alert if event.kind == "retraction" else end_of_exposure(event)
    try:
        return (start.astimezone(UTC) + timedelta(seconds=expires_s)).replace(tzinfo=None)
    except OverflowError:
        return None


def _write_why(event: SourceEvent, decision: Decision, expires: datetime | None) -> str:
    kind = event.transient_kind or event.kind
    attributes = {"importance": to_decimal(decision.importance)}
    if expires is not None:
        attributes["expires"] = expires.isoformat(timespec="seconds")
    parts = [
        leaf("Name", _name_of(event, kind)),
        leaf("Concept", _CONCEPTS.get(kind, _CONCEPT)),
    ]
    if note := note_of(event):
        parts.append(leaf("Description", note))
    return element("Why", *parts, **attributes)


def _name_of(event: SourceEvent, kind: str) -> str:
    """Return what happened; who reads nothing else must not take a retraction for a source."""
    if event.kind == "retraction":
        return f"Retracted radio transient: {clean_text(kind)}"
    return f"Radio transient: {clean_text(kind)}, {clean_text(event.certainty)}"


def _write_citations(name: AlertName) -> str:
    """Return the citations; nothing if there are none: an empty element is invalid."""
    if not name.cited:
        return ""
    cite = _CITE.get(name.alert_type, "followup")
    return element("Citations", *(leaf("EventIVORN", each, cite=cite) for each in name.cited))
