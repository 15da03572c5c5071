"""The VOEvent 2.0 packet of an alert, written with lxml and validated before it is sent.

Elements have the names, the order and the text that voevent-parse gives them, so its
readers find what they expect (ADR 0016).
"""

import math
from datetime import UTC, datetime, timedelta

from lxml import etree

from runtime.errors import RejectedMessageError
from runtime.settings import AlertSettings
from schemas.messages import SourceEvent
from schemas.voevent import NAMESPACE, load_voevent_schema
from services.alert.models import NO_CONTEXT, Decision, EventContext
from services.alert.steps.context_rows import (
    BAND_COLUMNS,
    MATCH_COLUMNS,
    Cell,
    band_table,
    history_rows,
    link_rows,
    localization_rows,
    match_table,
    significance_rows,
    spectrum_rows,
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
from services.alert.steps.localization import find_localization

__all__ = ["MAX_PACKET_BYTES", "assert_valid", "build_voevent"]

# Comet closes the connection beyond 99 999.
MAX_PACKET_BYTES = 32_000
_CITE = {"update": "supersedes", "retraction": "retraction"}
# Unified Astronomy Thesaurus: radio transient sources; variable radiation sources.
_CONCEPTS = dict.fromkeys(
    ("variable", "faded", "vanished", "returned"), "http://astrothesaurus.org/uat/1759"
)
_CONCEPT = "http://astrothesaurus.org/uat/2008"

_COORDINATES = "UTC-ICRS-TOPO"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = load_voevent_schema()


def build_voevent(
    event: SourceEvent,
    name: AlertName,
    settings: AlertSettings,
    decision: Decision,
    time_alert: datetime,
    *,
    context: EventContext = NO_CONTEXT,
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
    context : EventContext
        What the catalogue has about the event.

    Returns
    -------
    bytes
        UTF-8 XML with declaration, valid against the VOEvent 2.0 schema, below 32 kB.

    Raises
    ------
    RejectedMessageError
        If the packet would be invalid or too large.

    References
    ----------
    Seaman et al. (2011), VOEvent 2.0, IVOA Recommendation.
    """
    packet = _start_packet(name.ivorn, decision.voevent_role)
    _add_who(packet, settings, time_alert)
    what = _add_what(packet, name, tense_of(event, decision.role, time_alert))
    _add_event(what, event, settings, decision, time_alert)
    _add_context(what, event, context, settings)
    _add_where_when(packet, event, settings)
    _add_how(packet)
    _add_why(packet, event, decision, _expiry(event, settings.expires_s, time_alert))
    _add_citations(packet, name)
    if (link := link_to(name, settings.public_url)) is not None:
        _add(packet, "Reference", uri=link)
    data: bytes = etree.tostring(packet, xml_declaration=True, encoding="UTF-8")
    assert_valid(data)
    return data


def assert_valid(data: bytes) -> None:
    """Refuse a packet that a subscriber would refuse.

    Raises
    ------
    RejectedMessageError
        If it is not XML, not VOEvent 2.0, or too large.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        _SCHEMA.assertValid(etree.fromstring(data, parser))
    except (etree.XMLSyntaxError, etree.DocumentInvalid) as error:
        raise RejectedMessageError("invalid_voevent", f"not VOEvent 2.0: {error}") from error
    if len(data) > MAX_PACKET_BYTES:
        raise RejectedMessageError("large_voevent", f"VOEvent of {len(data)} bytes")


def _add(
    parent: etree._Element, tag: str, text: str | None = None, **attributes: str
) -> etree._Element:
    """Append an element without a namespace: in VOEvent only the root has one."""
    element = etree.SubElement(parent, tag, attributes)
    element.text = text
    return element


def _start_packet(ivorn: str, role: str) -> etree._Element:
    root = etree.Element(f"{{{NAMESPACE}}}VOEvent", nsmap={"xsi": _XSI, "voe": NAMESPACE})
    location = f"{NAMESPACE} http://www.ivoa.net/xml/VOEvent/VOEvent-v2.0.xsd"
    root.set(f"{{{_XSI}}}schemaLocation", location)
    root.set("version", "2.0")
    root.set("role", role)
    root.set("ivorn", ivorn)
    return root


def _add_who(packet: etree._Element, settings: AlertSettings, time_alert: datetime) -> None:
    who = _add(packet, "Who")
    _add(who, "AuthorIVORN", f"ivo://{settings.authority}/livetrap")
    _add(who, "Date", to_iso(time_alert))
    author = _add(who, "Author")
    _add(author, "title", clean_text(settings.author_title))
    _add(author, "shortName", clean_text(settings.mission))
    if settings.contact_name is not None:
        _add(author, "contactName", clean_text(settings.contact_name))
    if settings.contact_email is not None:
        _add(author, "contactEmail", clean_text(settings.contact_email))


def _add_what(packet: etree._Element, name: AlertName, tense: str) -> etree._Element:
    what = _add(packet, "What")
    _add_param(what, ("TrigID", name.trig_id, "", "meta.id"))
    if name.event_name is not None:
        _add_param(what, ("event_name", name.event_name, "", "meta.id"))
    _add_param(what, ("AlertType", name.alert_type, "", ""))
    _add_param(what, ("AlertTense", tense, "", ""))
    return what


def _add_event(
    what: etree._Element,
    event: SourceEvent,
    settings: AlertSettings,
    decision: Decision,
    time_alert: datetime,
) -> None:
    _add_group(what, "image", image_rows(event))
    _add_group(what, "detection", detection_rows(event, settings))
    _add_group(what, "association", association_rows(event, decision))
    _add_group(what, "provenance", provenance_rows(event, time_alert))


def _add_context(
    what: etree._Element, event: SourceEvent, context: EventContext, settings: AlertSettings
) -> None:
    """Append what is known of the source beside the event."""
    _add_group(what, "localization", localization_rows(event, context, settings))
    _add_group(what, "history", history_rows(event, context) + spectrum_rows(context))
    _add_group(what, "significance", significance_rows(context)[1:])  # the first is a unit of GCN
    if links := link_rows(event, settings):
        _add_group(what, "links", links)
    _add_table(what, "bands", BAND_COLUMNS, band_table(context))
    _add_table(what, "catalogue_matches", MATCH_COLUMNS, match_table(context))


def _add_table(
    what: etree._Element,
    name: str,
    columns: tuple[tuple[str, str, str], ...],
    rows: list[tuple[Cell, ...]],
) -> None:
    """Append a table, if it has rows; an unknown cell is empty."""
    if not rows:
        return
    table = _add(what, "Table", name=name)
    for number, (column, unit, ucd) in enumerate(columns):
        is_text = all(isinstance(row[number], str | bool) for row in rows)
        optional = {key: text for key, text in (("unit", unit), ("ucd", ucd)) if text}
        if not is_text:  # the default
            optional["dataType"] = "float"
        _add(table, "Field", name=column, **optional)
    data = _add(table, "Data")
    for row in rows:
        line = _add(data, "TR")
        for cell in row:
            _add(line, "TD", _to_cell_text(cell))


def _to_cell_text(cell: Cell) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    return "" if cell is None else clean_text(str(cell))


def _add_group(what: etree._Element, name: str, rows: list[Row]) -> None:
    """Append a group of the rows with a value; NaN and infinities are left out."""
    group = _add(what, "Group", name=name)
    for row in rows:
        if row[1] is not None and not _is_blank(row[1]):
            _add_param(group, row)


def _is_blank(value: str | float) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _add_param(parent: etree._Element, row: Row) -> None:
    name, value, unit, ucd = row
    plain = clean_text(value) if isinstance(value, str) else value
    kind = {str: "string", int: "int", float: "float"}[type(plain)]
    optional = {key: text for key, text in (("unit", unit), ("ucd", ucd)) if text}
    optional["dataType"] = kind
    _add(parent, "Param", name=name, value=str(plain), **optional)


def _add_where_when(packet: etree._Element, event: SourceEvent, settings: AlertSettings) -> None:
    data = _add(_add(packet, "WhereWhen"), "ObsDataLocation")
    _add(data, "ObservatoryLocation", id=instrument_of(event, settings))
    observation = _add(data, "ObservationLocation")
    _add(observation, "AstroCoordSystem", id=_COORDINATES)
    coordinates = _add(observation, "AstroCoords", coord_system_id=_COORDINATES)
    time = _add(coordinates, "Time", unit="s")
    _add(_add(time, "TimeInstant"), "ISOTime", to_iso(middle_of_exposure(event)))
    _add(time, "Error", str(time_error_s(event)))
    _add_position(coordinates, event, settings)


def _add_position(
    coordinates: etree._Element, event: SourceEvent, settings: AlertSettings
) -> None:
    position = _add(coordinates, "Position2D", unit="deg")
    _add(position, "Name1", "RA")
    _add(position, "Name2", "Dec")
    value = _add(position, "Value2")
    _add(value, "C1", str(ra_of(event)))
    _add(value, "C2", str(float(event.dec)))
    _add(position, "Error2Radius", str(find_localization(event, settings).major_deg))


def _add_how(packet: etree._Element) -> None:
    how = f"Image-plane search for radio transients: {name_pipeline()}"
    _add(_add(packet, "How"), "Description", how)


def _expiry(event: SourceEvent, expires_s: float, time_alert: datetime) -> datetime | None:
    """Return when the alert expires; a retraction counts from its alert, not from an exposure."""
    start = time_alert if event.kind == "retraction" else end_of_exposure(event)
    try:
        return (start.astimezone(UTC) + timedelta(seconds=expires_s)).replace(tzinfo=None)
    except OverflowError:
        return None


def _add_why(
    packet: etree._Element, event: SourceEvent, decision: Decision, expires: datetime | None
) -> None:
    kind = event.transient_kind or event.kind
    why = _add(packet, "Why", importance=str(decision.importance))
    if expires is not None:
        why.set("expires", expires.isoformat(timespec="seconds"))
    _add(why, "Name", f"Radio transient: {clean_text(kind)}, {clean_text(event.certainty)}")
    _add(why, "Concept", _CONCEPTS.get(kind, _CONCEPT))
    if note := note_of(event):
        _add(why, "Description", note)


def _add_citations(packet: etree._Element, name: AlertName) -> None:
    if not name.cited:
        return  # an empty Citations is invalid
    cite = _CITE.get(name.alert_type, "followup")
    citations = _add(packet, "Citations")
    for ivorn in name.cited:
        _add(citations, "EventIVORN", ivorn, cite=cite)
