"""Build the alert of an event: identity, packet, notice, row."""

from dataclasses import replace
from datetime import datetime

from runtime.errors import RejectedMessageError
from runtime.settings import AlertSettings
from schemas.messages import SourceEvent
from services.alert.models import NO_CONTEXT, Decision, EventContext, NewAlert
from services.alert.steps.avro_packet import build_avro_packet
from services.alert.steps.context_rows import describe_context
from services.alert.steps.facts import latencies_s, name_alert
from services.alert.steps.notice import build_notice
from services.alert.steps.voevent import build_voevent

__all__ = ["build_alert"]


def build_alert(
    event: SourceEvent,
    settings: AlertSettings,
    decision: Decision,
    time_alert: datetime,
    *,
    revision: int,
    earlier_ivorns: tuple[str, ...] = (),
    event_name: str | None = None,
    context: EventContext = NO_CONTEXT,
) -> NewAlert:
    """Return the alert of `event`; the same arguments give the same alert.

    Parameters
    ----------
    event : SourceEvent
        Event of the associator.
    settings : AlertSettings
        Authority, author, links.
    decision : Decision
        Rule, importance, role.
    time_alert : datetime
        Time of the alert, UTC.
    revision : int
        Earlier alerts of its family [-].
    earlier_ivorns : tuple of str
        First alerts of earlier episodes, which the first alert of an episode cites.
    event_name : str or None
        Name of the family.
    context : EventContext
        What the catalogue has about the event.

    Raises
    ------
    RejectedMessageError
        If no valid packet or notice can be built.
    """
    name = name_alert(event, settings.authority, revision)
    name = replace(name, event_name=event_name, cited=name.cited if revision else earlier_ivorns)
    try:
        tables = describe_context(event, context, settings)
        voevent = build_voevent(event, name, settings, decision, time_alert, tables=tables)
        notice = build_notice(event, name, settings, decision, time_alert, tables=tables)
        avro_packet = build_avro_packet(
            event, name, settings, decision, time_alert, context=context, tables=tables
        )
    except OverflowError as error:  # its time zone leads out of the years 1 to 9999
        raise RejectedMessageError(
            "bad_time", f"event {event.event_id}: beyond the calendar: {error}"
        ) from error
    return NewAlert(
        ivorn=name.ivorn,
        trig_id=event.trig_id,
        revision=revision,
        event_id=event.event_id,
        alert_type=name.alert_type,
        role=decision.voevent_role,
        transient_id=event.transient_id,
        source_id=event.source_id,
        stream=event.stream,
        kind=event.transient_kind or event.kind,
        ra=event.ra,
        dec=event.dec,
        snr=event.snr,
        flux_peak_jy_beam=event.flux_peak_jy_beam,
        time_start=event.time_start,
        time_alert=time_alert,
        voevent=voevent,
        notice=notice,
        latency_s=latencies_s(event, time_alert)["total"],
        rule=decision.rule,
        image_id=event.image_id,
        avro_packet=avro_packet,
    )
