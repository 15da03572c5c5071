"""Known sources that an image does not show: where the extractor shall measure by force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from runtime.settings import Settings
from schemas.codec import encode_forced_request
from schemas.messages import FloatArray, ForcedRequest, ImageMetadata, IntArray, PositionColumns
from schemas.topics import image_key
from services.associate.models import StoredImage
from services.associate.storage import Catalogue
from sky.wcs import SkyProjection

__all__ = ["Seen", "request_forced"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a timestep showed.

    `detected` has the ids of the sources in each image, by the image's id; `id`, `ra` and
    `dec` (n,) are of the sources that were seen in any image and were known before.
    """

    detected: Mapping[int, IntArray]
    id: IntArray
    ra: FloatArray
    dec: FloatArray


@dataclass(frozen=True, slots=True)
class _Known:
    """Sources that may be measured; (n,) each."""

    id: IntArray
    ra: FloatArray
    dec: FloatArray


async def request_forced(
    catalogue: Catalogue,
    images: Sequence[StoredImage],
    seen: Seen,
    *,
    stream_id: int,
    settings: Settings,
    topic: str,
) -> int:
    """Count for how long sources are missed, and ask what the images hide of them.

    Parameters
    ----------
    catalogue : Catalogue
        An open transaction.
    images : sequence of StoredImage
        The accepted images of a timestep.
    seen : Seen
        What was detected in them.
    stream_id : int
        The stream.
    settings : Settings
        Section `associate`, and the extractor's margin.
    topic : str
        Where the requests go.

    Returns
    -------
    int
        How many images are asked.
    """
    knobs = settings.associate
    before = await catalogue.load_missed(stream_id, knobs.timestep_tolerance_s)
    ids_seen = np.unique(np.concatenate([np.empty(0, np.int64), *seen.detected.values()]))
    n_timesteps = before.n_timesteps + 1
    waits = ~np.isin(before.id, ids_seen) & (n_timesteps <= knobs.expiration_timesteps)
    await catalogue.write_missed(
        stream_id,
        missed=before.id[waits],
        n_timesteps=n_timesteps[waits],
        gone=before.id[~waits & (before.n_timesteps > 0)],
    )
    known = _Known(
        np.concatenate([before.id[waits], seen.id]),
        np.concatenate([before.ra[waits], seen.ra]),
        np.concatenate([before.dec[waits], seen.dec]),
    )
    nothing = np.empty(0, np.int64)
    n_requests = 0
    for image in images:
        detected = seen.detected.get(image.id, nothing)
        request = _request(image, known, detected, settings.extract.margin_px)
        if request is not None:
            metadata = _metadata(image)
            await catalogue.ensure_partition(stream_id, metadata.time_start)
            key = image_key(request.stream, metadata.freq_eff_hz)
            await catalogue.insert_outbox(topic, key, encode_forced_request(request))
            n_requests += 1
    return n_requests


def _request(
    image: StoredImage, known: _Known, detected: IntArray, margin_px: int
) -> ForcedRequest | None:
    """Return what one image shall be asked, or None if it shows all that is known."""
    hidden = ~np.isin(known.id, detected)
    if not np.any(hidden):
        return None
    metadata = _metadata(image)
    x, y = SkyProjection.of(metadata.wcs_header).to_pixel(known.ra[hidden], known.dec[hidden])
    inside = np.flatnonzero(hidden)[
        (x >= margin_px)
        & (x < metadata.width_px - margin_px)
        & (y >= margin_px)
        & (y < metadata.height_px - margin_px)
    ]
    if not inside.size:
        return None
    return ForcedRequest(
        image_id=image.record.image_id,
        stream=image.record.stream,
        source=image.record.source,
        positions=PositionColumns(
            position_id=known.id[inside],
            extraction_type=("forced",) * inside.size,
            ra=known.ra[inside],
            dec=known.dec[inside],
        ),
    )


def _metadata(image: StoredImage) -> ImageMetadata:
    if image.record.metadata is None:
        raise RuntimeError("an accepted image has metadata: records are checked at the door")
    return image.record.metadata
