"""Known sources that a timestep does not detect, and for how long."""

import numpy as np

from schemas.messages import IntArray
from services.associate.models.catalogue import NullDetections
from services.associate.models.decisions import ForcedTargets, NullDetectionRows

__all__ = ["count_null_detections"]


def count_null_detections(
    null_detections: NullDetections,
    detected: ForcedTargets,
    detected_ids: IntArray,
    *,
    expiration_timesteps: int,
) -> tuple[NullDetectionRows, ForcedTargets]:
    """Return the counts to store, and the sources to measure by forced photometry.

    Parameters
    ----------
    null_detections : NullDetections
        Known sources that the timestep does not detect, this timestep counted.
    detected : ForcedTargets
        Sources that it does detect: one that an image detects is worth measuring in the
        images of other bands that do not.
    detected_ids : (n,) int64
        Known sources that it detects.
    expiration_timesteps : int
        Null detections in a row after which a source is measured no more [-].
    """
    waits = null_detections.n_timesteps <= expiration_timesteps
    rows = NullDetectionRows(
        source_id=null_detections.id[waits],
        n_timesteps=null_detections.n_timesteps[waits],
        ended=np.concatenate([detected_ids, null_detections.id[~waits]]),
    )
    targets = ForcedTargets(
        np.concatenate([null_detections.id[waits], detected.id]),
        np.concatenate([null_detections.ra[waits], detected.ra]),
        np.concatenate([null_detections.dec[waits], detected.dec]),
        "forced",
    )
    return rows, targets
