"""Source events and alerts for the tests of alert and distribute."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from runtime.settings import AlertSettings
from schemas.identity import event_id, trig_id
from schemas.messages import SourceEvent, StageTimes
from services.alert.models import Decision, NewAlert
from services.alert.steps.alert import build_alert
from services.alert.steps.facts import name_alert
from services.alert.steps.voevent import build_voevent

__all__ = ["DECISION", "START", "alert_packet", "build_test_alert", "ivorn_at", "source_event"]

DECISION = Decision("test rule", 0.9, "observation")
START = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def source_event(number: int = 0, *, salt: str = "", **changes: Any) -> SourceEvent:
    """Return a new source that deserves an alert; `number` and `salt` make its identity."""
    image = hashlib.sha256(f"{salt}|{number}".encode()).hexdigest()
    trig = trig_id("night", image, number)
    values: dict[str, Any] = {
        "event_id": event_id(trig, "new_source", image), "trig_id": trig, "kind": "new_source",
        "certainty": "certain", "stream": "night", "transient_id": number + 1,
        "source_id": number + 1, "image_id": image, "source_number": number,
        "time_start": START, "exposure_s": 8.0, "freq_eff_hz": 140e6, "freq_bw_hz": 2e6,
        "stokes": "I", "beam_major_deg": 0.05, "beam_minor_deg": 0.04, "beam_pa_deg": 12.0,
        "ra": 123.4 + number * 0.1, "dec": 45.6, "ra_err_deg": 0.001, "dec_err_deg": 0.002,
        "flux_peak_jy_beam": 0.5, "flux_peak_err_jy_beam": 0.02, "flux_int_jy": 0.55,
        "flux_int_err_jy": 0.03, "snr": 25.0, "rms_local_jy_beam": 0.02, "quality_flags": 0,
        "extraction_type": "blind", "eta": 0.0, "v": 0.0, "n_datapoints": 1, "n_bands": 1,
        "limit_previous_jy_beam": 0.1, "telescope": "LOFAR",
        "times": StageTimes(
            time_sent=START + timedelta(seconds=8), time_appended=START + timedelta(seconds=8.1),
            time_extracted=START + timedelta(seconds=8.3),
            time_associated=START + timedelta(seconds=8.4),
        ),
    }  # fmt: skip
    return SourceEvent(**(values | changes))


def build_test_alert(event: SourceEvent, *, authority: str = "org.test") -> NewAlert:
    """Return the first alert of an event, made now."""
    settings = AlertSettings(authority=authority)
    return build_alert(event, settings, DECISION, datetime.now(UTC), revision=0)


def alert_packet(number: int = 0, *, authority: str = "org.test", **changes: Any) -> bytes:
    """Return the VOEvent of the alert of an event, the same at every call."""
    event = source_event(number, **changes)
    name, settings = name_alert(event, authority, 0), AlertSettings(authority=authority)
    return build_voevent(event, name, settings, DECISION, START)


def ivorn_at(number: int, *, authority: str = "org.test") -> str:
    """Return the identifier of the alert of an event."""
    return name_alert(source_event(number), authority, 0).ivorn
