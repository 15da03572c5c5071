"""Ask the extractor for fluxes at places that an image does not show, or that are watched."""

from collections.abc import Sequence

import numpy as np

from runtime.settings import AssociateProcessSettings
from schemas.codec import encode_forced_request
from schemas.messages import ForcedRequest, IntArray, PositionColumns
from schemas.topics import image_message_key
from services.associate.models import ForcedTargets, StoredImage
from services.associate.steps.coverage import covers, metadata_of
from services.associate.steps.monitors import measure_monitors
from services.associate.steps.null_detections import DetectedSources, count_null_detections
from services.associate.storage import Catalogue

__all__ = ["request_forced"]


async def request_forced(
    catalogue: Catalogue,
    images: Sequence[StoredImage],
    seen: DetectedSources,
    *,
    stream_id: int,
    settings: AssociateProcessSettings,
    topic: str,
) -> int:
    """Leave a request in the outbox for each image that hides something.

    Parameters
    ----------
    catalogue : Catalogue
        An open transaction.
    images : sequence of StoredImage
        The accepted images of a timestep.
    seen : DetectedSources
        What was detected in them.
    stream_id : int
        The stream.
    settings : AssociateProcessSettings
        Section `associate`.
    topic : str
        Where the requests go.

    Returns
    -------
    int
        How many images are asked.
    """
    missed = await count_null_detections(
        catalogue, seen, stream_id=stream_id, settings=settings.associate
    )
    watched = await measure_monitors(
        catalogue,
        images,
        stream_id=stream_id,
        stream=images[0].record.stream,
    )
    nothing = np.empty(0, np.int64)
    n_requests = 0
    for image in images:
        detected = seen.detected.get(image.id, nothing)
        parts = [_hidden(image, places, detected) for places in (missed, watched)]
        if not any(len(part.id) for part in parts):
            continue
        metadata = metadata_of(image)
        await catalogue.ensure_partition(stream_id, metadata.time_start)
        await catalogue.insert_outbox(
            topic,
            image_message_key(image.record.stream, metadata.freq_eff_hz),
            encode_forced_request(_to_request(image, parts)),
        )
        n_requests += 1
    return n_requests


def _hidden(image: StoredImage, places: ForcedTargets, detected: IntArray) -> ForcedTargets:
    """Return the places that an image covers and where nothing was detected in it."""
    hidden = places.select(~np.isin(places.id, detected))
    if not hidden.id.size:
        return hidden
    return hidden.select(covers(image, hidden.ra, hidden.dec))


def _to_request(image: StoredImage, parts: Sequence[ForcedTargets]) -> ForcedRequest:
    types = [part.extraction_type for part in parts for _ in range(len(part.id))]
    return ForcedRequest(
        image_id=image.record.image_id,
        stream=image.record.stream,
        source=image.record.source,
        positions=PositionColumns(
            position_id=np.concatenate([part.id for part in parts]),
            extraction_type=tuple(types),
            ra=np.concatenate([part.ra for part in parts]),
            dec=np.concatenate([part.dec for part in parts]),
        ),
    )
