"""Monitored positions: measured in every image that covers them, detected or not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.messages import IntArray
from services.associate.models.catalogue import Monitors
from services.associate.models.decisions import ForcedTargets, MonitorSource
from services.associate.models.timesteps import TimestepImage
from services.associate.steps.coverage import covers, metadata_of

__all__ = ["FirstCoverage", "find_first_coverage", "find_monitor_targets", "to_monitor_sources"]


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
