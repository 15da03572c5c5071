"""Positions that somebody watches: measured in every image, seen or not."""

from collections.abc import Sequence

import numpy as np

from services.associate.models import ForcedTargets, StoredImage
from services.associate.steps.coverage import covers, metadata_of
from services.associate.storage import Catalogue

__all__ = ["measure_monitors"]


async def measure_monitors(
    catalogue: Catalogue,
    images: Sequence[StoredImage],
    *,
    stream_id: int,
    stream: str,
) -> ForcedTargets:
    """Return the watched places that have a light curve; an image of a place begins one."""
    monitors = await catalogue.load_monitors(stream)
    source_id = monitors.source_id.copy()
    for image in images:
        fresh = np.flatnonzero(source_id == 0)
        if not fresh.size:
            break
        shown = fresh[covers(image, monitors.ra[fresh], monitors.dec[fresh])]
        sources = await catalogue.insert_monitor_sources(
            stream_id,
            monitors.id[shown].tolist(),
            image=image.id,
            time_start=metadata_of(image).time_start,
        )
        source_id[shown] = [sources.get(number, 0) for number in monitors.id[shown].tolist()]
    has_one = source_id > 0
    return ForcedTargets(
        source_id[has_one], monitors.ra[has_one], monitors.dec[has_one], "monitor"
    )
