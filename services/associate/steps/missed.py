"""Known sources that a timestep does not show, and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import FloatArray, IntArray
from services.associate.models import Places
from services.associate.storage import Catalogue

__all__ = ["Seen", "count_missed"]


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


async def count_missed(
    catalogue: Catalogue, seen: Seen, *, stream_id: int, knobs: AssociateSettings
) -> Places:
    """Count for how long sources are missed; return those worth measuring, with those seen.

    A source that is seen in one band is worth measuring in the bands that do not show it.
    """
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
    return Places(
        np.concatenate([before.id[waits], seen.id]),
        np.concatenate([before.ra[waits], seen.ra]),
        np.concatenate([before.dec[waits], seen.dec]),
        "forced",
    )
