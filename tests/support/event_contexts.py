"""The event of the tests of contexts: images around it, its context, and its notice."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np

from runtime.settings import AlertSettings
from services.alert.models import ContextRows, EventContext, LookedImage, Timestep
from services.alert.steps.alert import build_alert
from services.alert.steps.context import build_context
from tests.support.records import wcs_header
from tests.support.vtp_events import DECISION, START, source_event

__all__ = ["EVENT", "RMS_JY_BEAM", "SETTINGS", "THRESHOLD", "context_of", "looked", "notice_of"]

SETTINGS = AlertSettings(
    authority="org.test", public_url="https://livetrap.example.org", contact_name="On call",
    contact_email="on.call@example.org",
)  # fmt: skip
EVENT = source_event()
RMS_JY_BEAM, THRESHOLD = 0.02, 8.0


def looked(key: int, step: float = 0.0, freq_hz: float = 140e6, **changes: Any) -> LookedImage:
    """Return an image around the event, some 10 s steps after it."""
    image = LookedImage(
        image_key=key, image_id=EVENT.image_id if key == 1 else f"{key:064x}", band_id=key,
        time_start=START + timedelta(seconds=10 * step), exposure_s=8.0, freq_eff_hz=freq_hz,
        freq_bw_hz=2e6, stokes="I", wcs_header=wcs_header(123.4, 46.6, 200, 0.02),
        shape=(200, 200), margin_px=10, threshold_sigma=THRESHOLD,
        rms_grid=np.full((2, 2), RMS_JY_BEAM), field_ra=123.4, field_dec=46.6,
    )  # fmt: skip
    return replace(image, **changes)


def context_of(*points: Any, **changes: Any) -> EventContext:
    """Return the context of the event in an image of its own."""
    timestep = Timestep(1, looked(1), (looked(1),))
    rows = ContextRows(replace(timestep, **changes), points)
    return build_context(EVENT, rows)


def notice_of(context: EventContext, event: Any = EVENT, **changes: Any) -> dict[str, Any]:
    built = build_alert(
        replace(event, **changes), SETTINGS, DECISION, START, revision=0, context=context
    )
    found: dict[str, Any] = json.loads(built.notice)
    return found
