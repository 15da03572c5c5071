"""Monitored positions: measured in every image that covers them, detected or not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from schemas.messages import IntArray
from services.associate.models.catalogue import Monitors
from services.associate.models.decisions import ForcedTargets, MonitorSource
from services.associate.models.timesteps import TimestepImage
from services.associate.steps.coverage import covers, metadata_of
from sky.geometry import move

__all__ = [
    "FirstCoverage",
    "find_first_coverage",
    "find_monitor_targets",
    "move_to",
    "to_monitor_sources",
]

# J2000.0 is noon of TT; the minute by which UTC differs moves nothing by a microarcsecond.
_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
_DAYS_PER_YEAR = 365.25
_MAS_PER_DEG = 3.6e6


@dataclass(frozen=True, slots=True)
class FirstCoverage:
    """Monitors without a light curve that a timestep covers, and the first image of each.

    Parameters
    ----------
    monitor : (k,) int64
        Their indices in `Monitors`.
    image : (k,) int64
        Numbers of the images.
    """

    monitor: IntArray
    image: IntArray


def move_to(monitors: Monitors, time: datetime | None) -> Monitors:
    """Return the monitors where they are at a time: straight on along the tangent of their motion.

    Radial motion and parallax are left out. Without a time they stay where they are.

    References
    ----------
    ESA (1997), The Hipparcos and Tycho Catalogues, vol. 1, section 1.5.5.
    """
    moving = np.flatnonzero((monitors.pm_ra_cosdec_mas_yr != 0) | (monitors.pm_dec_mas_yr != 0))
    if time is None or not moving.size:
        return monitors
    year = 2000 + (time - _J2000).total_seconds() / (86_400 * _DAYS_PER_YEAR)
    years = year - monitors.epoch_yr[moving]
    ra, dec = monitors.ra.copy(), monitors.dec.copy()
    ra[moving], dec[moving] = move(
        ra[moving],
        dec[moving],
        monitors.pm_ra_cosdec_mas_yr[moving] * years / _MAS_PER_DEG,
        monitors.pm_dec_mas_yr[moving] * years / _MAS_PER_DEG,
    )
    return replace(monitors, ra=ra, dec=dec)


def find_first_coverage(monitors: Monitors, images: Sequence[TimestepImage]) -> FirstCoverage:
    """Return which monitors get their first image, the lowest frequency first."""
    first_image = np.full(monitors.id.size, -1)
    order: list[int] = []
    for image in images:
        waiting = np.flatnonzero((monitors.source_id == 0) & (first_image < 0))
        if not waiting.size:
            break
        covered = waiting[covers(image.record, monitors.ra[waiting], monitors.dec[waiting])]
        first_image[covered] = image.number
        order += covered.tolist()
    monitor = np.array(order, np.int64)
    return FirstCoverage(monitor, first_image[monitor])


def to_monitor_sources(
    monitors: Monitors,
    first: FirstCoverage,
    images: Sequence[TimestepImage],
    *,
    image_keys: Sequence[int],
    source_ids: Sequence[int],
) -> list[MonitorSource]:
    """Return the sources of the monitors that begin; `source_ids` are theirs, in order."""
    records = {image.number: image.record for image in images}
    return [
        MonitorSource(
            monitor_id=int(monitors.id[monitor]),
            source_id=source_id,
            first_image_key=image_keys[image],
            first_time_start=metadata_of(records[image]).time_start,
            ra=float(monitors.ra[monitor]),
            dec=float(monitors.dec[monitor]),
        )
        for monitor, image, source_id in zip(
            first.monitor.tolist(), first.image.tolist(), source_ids, strict=True
        )
    ]


def find_monitor_targets(
    monitors: Monitors, first: FirstCoverage, source_ids: Sequence[int]
) -> ForcedTargets:
    """Return the monitored positions that have a light curve, those that begin included."""
    source_id = monitors.source_id.copy()
    source_id[first.monitor] = source_ids
    has_one = source_id > 0
    return ForcedTargets(
        source_id[has_one], monitors.ra[has_one], monitors.dec[has_one], "monitor"
    )
