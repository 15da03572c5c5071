"""Which source events deserve an alert."""

import math

from runtime.errors import RejectedMessageError
from runtime.settings import AlertSettings
from schemas.messages import SourceEvent

__all__ = ["check_event", "refuse_alert"]


def check_event(event: SourceEvent) -> None:
    """Refuse an event that nobody could point a telescope at.

    Raises
    ------
    RejectedMessageError
        If the position is no position.
    """
    if not (math.isfinite(event.ra) and math.isfinite(event.dec) and -90 <= event.dec <= 90):
        raise RejectedMessageError(
            "bad_position", f"event {event.event_id}: ra={event.ra} dec={event.dec} is nowhere"
        )


def refuse_alert(event: SourceEvent, settings: AlertSettings) -> str | None:
    """Return why `event` is not alerted, a stable code; None if it is.

    A NaN in the deciding quantity refuses the alert.

    Parameters
    ----------
    event : SourceEvent
        What the associator found.
    settings : AlertSettings
        The thresholds.

    Returns
    -------
    str or None
        ``low_snr``, ``variables_off``, ``low_eta``, ``low_v`` or ``other_kind``.
    """
    if event.kind == "new_source":
        return None if event.snr >= settings.min_snr else "low_snr"
    if event.kind == "variable":
        return _refuse_variable(event, settings)
    return "other_kind"


def _refuse_variable(event: SourceEvent, settings: AlertSettings) -> str | None:
    if not settings.variable_sources:
        return "variables_off"
    if not event.eta >= settings.variable_min_eta:
        return "low_eta"
    if not event.v >= settings.variable_min_v:
        return "low_v"
    return None
