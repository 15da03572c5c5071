"""The VOEvent 2.0 packet of an alert: the one module that knows voevent-parse's traps.

Lists are appended here, not handed to ``add_how`` and its like (they need the
``collections.Iterable`` of Python 3.9); values are plain Python numbers; only ``dumps``
writes; and what is validated is a copy, because a failed validation damages its object.
"""

import math
from datetime import UTC, datetime, timedelta

import voeventparse as vp
from lxml import etree

from runtime.errors import RejectedMessageError
from runtime.settings import AlertSettings
from schemas.messages import SourceEvent
from schemas.quality import names_of
from services.alert.models import Decision
from services.alert.steps.facts import (
    AlertName,
    clean_text,
    end_of_exposure,
    latencies_s,
    link_to,
    middle_of_exposure,
    name_pipeline,
    note_of,
    position_error_deg,
    ra_of,
    tense_of,
    usable_exposure_s,
)

__all__ = ["MAX_PACKET_BYTES", "assert_valid", "build_voevent"]

# Comet closes the connection beyond 99 999; small packets travel well.
MAX_PACKET_BYTES = 20_000
_CITE = {"update": "supersedes", "retraction": "retraction"}
# Unified Astronomy Thesaurus: radio transient sources; variable radiation sources.
_CONCEPTS = {"variable": "http://astrothesaurus.org/uat/1759"}
_CONCEPT = "http://astrothesaurus.org/uat/2008"

_Row = tuple[str, str | float | int | None, str, str]


def build_voevent(
    event: SourceEvent,
    name: AlertName,
    settings: AlertSettings,
    decision: Decision,
    time_alert: datetime,
) -> bytes:
    """Return the packet; the same bytes whenever it is called with the same arguments.

    Parameters
    ----------
    event : SourceEvent
        What the alert tells; its position is finite.
    name : AlertName
        ivorn and citations.
    settings : AlertSettings
        Authority and expiry.
    decision : Decision
        Rule, importance, role.
    time_alert : datetime
        When the alert was made, UTC.

    Returns
    -------
    bytes
        UTF-8 XML with declaration, valid against the VOEvent 2.0 schema, below 20 kB.

    Raises
    ------
    RejectedMessageError
        If the packet would be invalid or too large.

    References
    ----------
    Seaman et al. (2011), VOEvent 2.0, IVOA Recommendation.
    """
    stream, local_id = name.ivorn.removeprefix("ivo://").split("#", 1)
    packet = vp.Voevent(stream=stream, stream_id=local_id, role=decision.voevent_role)
    _add_who(packet, settings, time_alert)
    _add_what(packet, event, name, decision, time_alert)
    _add_where_when(packet, event)
    vp.add_how(packet, descriptions=f"Image-plane search for radio transients: {name_pipeline()}")
    _add_why(packet, event, decision, _expiry(event, settings.expires_s, time_alert))
    _add_citations(packet, name)
    if (link := link_to(name, settings.public_url)) is not None:
        packet.append(vp.Reference(link))
    data: bytes = vp.dumps(packet)
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
        vp.voevent_v2_0_schema.assertValid(etree.fromstring(data, parser))
    except (etree.XMLSyntaxError, etree.DocumentInvalid) as error:
        raise RejectedMessageError("invalid_voevent", f"not VOEvent 2.0: {error}") from error
    if len(data) > MAX_PACKET_BYTES:
        raise RejectedMessageError("large_voevent", f"VOEvent of {len(data)} bytes")


def _to_iso(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat()


def _add_who(packet: vp.Voevent, settings: AlertSettings, time_alert: datetime) -> None:
    vp.set_who(packet, author_ivorn=f"{settings.authority}/livetrap")
    packet.Who.Date = _to_iso(time_alert)  # set_who would drop the microseconds
    vp.set_author(packet, title="LiveTrap", shortName="LiveTrap")


def _add_what(
    packet: vp.Voevent,
    event: SourceEvent,
    name: AlertName,
    decision: Decision,
    time_alert: datetime,
) -> None:
    packet.What.append(_to_param(("TrigID", name.trig_id, "", "meta.id")))
    packet.What.append(_to_param(("AlertType", name.alert_type, "", "")))
    packet.What.append(
        _to_param(("AlertTense", tense_of(event, decision.role, time_alert), "", ""))
    )
    packet.What.append(_to_group("image", _image_rows(event)))
    packet.What.append(_to_group("detection", _detection_rows(event)))
    packet.What.append(_to_group("association", _association_rows(event, decision)))
    packet.What.append(_to_group("provenance", _provenance_rows(event, time_alert)))


def _to_group(name: str, rows: list[_Row]) -> etree._Element:
    """Return the group of the rows that have a value; NaN and infinities are left out."""
    known = [row for row in rows if row[1] is not None and not _is_blank(row[1])]
    group: etree._Element = vp.Group([_to_param(row) for row in known], name=name)
    return group


def _is_blank(value: str | float) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _to_param(row: _Row) -> etree._Element:
    name, value, unit, ucd = row
    plain = clean_text(value) if isinstance(value, str) else value
    kind = {str: "string", int: "int", float: "float"}[type(plain)]
    param: etree._Element = vp.Param(
        name, value=str(plain), unit=unit or None, ucd=ucd or None, dataType=kind, ac=False
    )
    return param


def _image_rows(event: SourceEvent) -> list[_Row]:
    return [
        ("image_id", event.image_id, "", "meta.id;obs.image"),
        ("stream", event.stream, "", ""),
        ("telescope", event.telescope, "", "instr.tel"),
        ("time_start", _to_iso(event.time_start), "", "time.start;obs"),
        ("int_time", float(event.exposure_s), "s", "time.duration;obs.exposure"),
        ("centre_frequency", event.freq_eff_hz / 1e6, "MHz", "em.freq;instr"),
        ("bandwidth", event.freq_bw_hz / 1e6, "MHz", "instr.bandwidth"),
        ("stokes", event.stokes, "", "phys.polarization.stokes"),
        ("bmaj", float(event.beam_major_deg), "deg", "instr.beam;phys.angSize.smajAxis"),
        ("bmin", float(event.beam_minor_deg), "deg", "instr.beam;phys.angSize.sminAxis"),
        ("bpa", float(event.beam_pa_deg), "deg", "instr.beam;pos.posAng"),
    ]


def _detection_rows(event: SourceEvent) -> list[_Row]:
    flux, error = "phot.flux.density;em.radio", "stat.error;phot.flux.density;em.radio"
    limit = event.limit_previous_jy_beam
    return [
        ("peak_flux", float(event.flux_peak_jy_beam), "Jy/beam", flux),
        ("peak_flux_error", float(event.flux_peak_err_jy_beam), "Jy/beam", error),
        ("int_flux", float(event.flux_int_jy), "Jy", flux),
        ("int_flux_error", float(event.flux_int_err_jy), "Jy", error),
        ("snr", float(event.snr), "", "stat.snr"),
        ("local_rms", float(event.rms_local_jy_beam), "Jy/beam", "stat.stdev;phot.flux.density"),
        ("previous_limit", None if limit is None else float(limit), "Jy/beam", flux),
        ("ra_error", float(event.ra_err_deg), "deg", "stat.error;pos.eq.ra"),
        ("dec_error", float(event.dec_err_deg), "deg", "stat.error;pos.eq.dec"),
        ("extraction_type", event.extraction_type, "", ""),
        ("quality_flags", int(event.quality_flags), "", "meta.code.qual"),
        # XPath 1.0 cannot take a number of bits apart: a filter asks for these.
        *[(f"is_{name}", "true", "", "meta.code.qual") for name in names_of(event.quality_flags)],
    ]


def _association_rows(event: SourceEvent, decision: Decision) -> list[_Row]:
    return [
        ("kind", event.transient_kind or event.kind, "", "meta.code.class"),
        ("rule", decision.rule, "", ""),
        ("certainty", event.certainty, "", ""),
        ("source_id", int(event.source_id), "", "meta.id;src"),
        ("transient_id", int(event.transient_id), "", "meta.id"),
        ("n_datapoints", int(event.n_datapoints), "", "meta.number"),
        ("n_bands", int(event.n_bands), "", "meta.number;em.freq"),
        ("eta_nu", float(event.eta), "", "stat.fit.chi2;src.var"),
        ("V_nu", float(event.v), "", "src.var.amplitude"),
    ]


def _provenance_rows(event: SourceEvent, time_alert: datetime) -> list[_Row]:
    rows: list[_Row] = [
        ("pipeline_version", name_pipeline(), "", "meta.version;meta.software"),
        ("event_id", event.event_id, "", "meta.id"),
    ]
    for stage, seconds in latencies_s(event, time_alert).items():
        rows.append((f"latency_{stage}", seconds, "s", "time.duration"))
    return rows


def _add_where_when(packet: vp.Voevent, event: SourceEvent) -> None:
    position = vp.Position2D(
        ra=ra_of(event),
        dec=float(event.dec),
        err=position_error_deg(event),
        units="deg",
        system="UTC-ICRS-TOPO",
    )
    place = clean_text(event.telescope or event.stream)
    vp.add_where_when(packet, position, middle_of_exposure(event), place)
    observation = packet.WhereWhen.ObsDataLocation.ObservationLocation
    etree.SubElement(observation.AstroCoords.Time, "Error")
    observation.AstroCoords.Time.Error = usable_exposure_s(event) / 2


def _expiry(event: SourceEvent, expires_s: float, time_alert: datetime) -> datetime | None:
    """Return until when the alert is of use; what is taken back was no exposure's finding."""
    start = time_alert if event.kind == "retraction" else end_of_exposure(event)
    try:
        return (start.astimezone(UTC) + timedelta(seconds=expires_s)).replace(tzinfo=None)
    except OverflowError:
        return None


def _add_why(
    packet: vp.Voevent, event: SourceEvent, decision: Decision, expires: datetime | None
) -> None:
    kind = event.transient_kind or event.kind
    vp.add_why(packet, importance=decision.importance, expires=expires)
    packet.Why.Name = f"Radio transient: {clean_text(kind)}, {clean_text(event.certainty)}"
    packet.Why.Concept = _CONCEPTS.get(kind, _CONCEPT)
    if note := note_of(event):
        packet.Why.Description = note


def _add_citations(packet: vp.Voevent, name: AlertName) -> None:
    if not name.cited:
        return  # an empty Citations is invalid
    cite = _CITE.get(name.alert_type, "followup")
    etree.SubElement(packet, "Citations")
    for ivorn in name.cited:
        packet.Citations.append(vp.EventIvorn(ivorn, cite))
