"""Known sources that a timestep does not show, and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import FloatArray, IntArray
from services.associate.models import ForcedTargets
from services.associate.storage import Catalogue

__all__ = ["DetectedSources", "count_null_detections"]


@dataclass(frozen=True, slots=True)
class DetectedSources:
    """What a timestep showed.

    `detected` has the ids of the sources in each image, by the image's id; `id`, `ra` and
    `dec` (n,) are of the sources that were seen in any image and were known before, or were
    told of as new.
    """

    detected: Mapping[int, IntArray]
    id: IntArray
    ra: FloatArray
    dec: FloatArray


async def count_null_detections(
    catalogue: Catalogue, seen: DetectedSources, *, stream_id: int, settings: AssociateSettings
) -> ForcedTargets:
    """Count for how long sources are missed; return those worth measuring, with those seen.

    A source that is seen in one band is worth measuring in the bands that do not show it.
    """
    ids_seen = np.unique(np.concatenate([np.empty(0, np.int64), *seen.detected.values()]))
    missed = await catalogue.load_null_detections(
        stream_id, ids_seen, settings.timestep_tolerance_s
    )
    waits = missed.n_timesteps <= settings.expiration_timesteps
    await catalogue.write_null_detections(
        stream_id,
        missed=missed.id[waits],
        n_timesteps=missed.n_timesteps[waits],
        gone=np.concatenate([ids_seen, missed.id[~waits]]),
    )
    return ForcedTargets(
        np.concatenate([missed.id[waits], seen.id]),
        np.concatenate([missed.ra[waits], seen.ra]),
        np.concatenate([missed.dec[waits], seen.dec]),
        "forced",
    )
