"""Too many candidates: a bad image must not make telescopes slew."""

import math
from dataclasses import replace
from typing import Any

from runtime.settings import AlertSettings
from schemas.identity import event_id, trig_id
from schemas.messages import SourceEvent
from schemas.quality import QualityFlag
from services.alert.errors import SuppressedError
from services.alert.models import AlertHistory, Decision

__all__ = ["STORM", "check_storm", "describe_storm"]

# About the service, not about a source: nobody slews to it.
STORM = Decision("storm of candidates", 0.0, "utility")

# What a candidate has and a storm has not.
_NOTHING_MEASURED: dict[str, Any] = {
    **dict.fromkeys(
        (
            "flux_peak_jy_beam", "flux_peak_err_jy_beam", "flux_int_jy", "flux_int_err_jy", "snr",
            "rms_local_jy_beam",
        ),
        math.nan,
    ),
    **dict.fromkeys(
        (
            "eta", "v", "eta_peak", "v_peak", "eta_blind", "v_blind", "p_false", "trigger_sigma",
            "limit_previous_jy_beam", "time_limit_previous", "time_previous",
            "flux_previous_jy_beam", "flux_previous_err_jy_beam", "flux_expected_jy_beam",
            "flux_expected_err_jy_beam", "rate_arcsec_s", "rate_err_arcsec_s", "direction_deg",
            "edge_distance_deg",
        )
    ),
    **dict.fromkeys(
        ("n_datapoints", "n_forced", "n_look_back", "quality_flags", "n_bands", "source_number"), 0
    ),
    "n_episodes": 1,
    "earlier_trig_ids": (),
    "trigger": "",
    "look_back": "",
    "extraction_type": "blind",
    "position_systematic_err_deg": None,
    **dict.fromkeys(("ra_err_deg", "dec_err_deg"), math.inf),
    **dict.fromkeys(("beam_major_deg", "beam_minor_deg", "beam_pa_deg"), math.nan),
}  # fmt: skip


def check_storm(event: SourceEvent, before: AlertHistory, settings: AlertSettings) -> None:
    """Suppress the first alert of a source when its image or minute has brought too many.

    The side lobes of a stream and day are a group that is suppressed whole, however large.

    Of an image with more events than may be sent none is: which of them came first says nothing.

    Raises
    ------
    SuppressedError
        If it has.
    """
    if before.revision or before.release:
        return
    if event.quality_flags & QualityFlag.SIDE_LOBE:
        raise SuppressedError(
            f"{event.stream}.{event.time_start:%Y-%m-%d}.side_lobes",
            f"image {event.image_id} shows side lobes of a bright source as new sources; those of "
            "other images of this stream and day wait with them",
        )
    if before.n_due_of_image > settings.max_per_image:
        raise SuppressedError(
            event.image_id,
            f"image {event.image_id} brought {before.n_due_of_image} candidates, more than "
            f"{settings.max_per_image}",
        )
    if before.n_of_image >= settings.max_per_image:
        raise SuppressedError(
            event.image_id,
            f"image {event.image_id} brought more than {settings.max_per_image} candidates",
        )
    if before.n_of_minute >= settings.max_per_minute:
        minute = event.time_start.strftime("%Y-%m-%dT%H:%MZ")
        raise SuppressedError(
            minute, f"{minute} brought more than {settings.max_per_minute} candidates"
        )


def describe_storm(
    event: SourceEvent, error: SuppressedError, *, field: tuple[float, float] | None = None
) -> SourceEvent:
    """Return the event that announces a storm, the same for every event suppressed by it.

    It is of no source: its error radius is the whole sky, and nothing was measured of it.

    Parameters
    ----------
    event : SourceEvent
        One that is suppressed.
    error : SuppressedError
        Why.
    field : (float, float) or None
        Centre of the image's field, which the packet has for a position, ICRS [deg]; None: the
        catalogue does not have the image, and the position is that of the event.
    """
    family = trig_id(event.stream, error.storm, -1)
    ra, dec = field or (event.ra, event.dec)
    return replace(
        event,
        **_NOTHING_MEASURED,
        ra=ra,
        dec=dec,
        event_id=event_id(family, "storm", error.storm),
        trig_id=family,
        kind="storm",
        transient_kind="",
        certainty="possible",
        transient_id=0,
        source_id=0,
        note=f"{error.reason}; they wait for an operator (`livetrap alerts suppressed`)",
    )
