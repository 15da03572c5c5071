"""Known sources that a timestep does not detect, and for how long."""

import numpy as np

from schemas.messages import BoolArray, IntArray
from services.associate.models.catalogue import NullDetections
from services.associate.models.decisions import ForcedTargets, NullDetectionRows
from sky.geometry import zone_of

__all__ = ["count_null_detections"]


def count_null_detections(
    null_detections: NullDetections,
    is_covered: BoolArray,
    detected: ForcedTargets,
    *,
    expiration_timesteps: int,
    candidate_timesteps: int,
) -> tuple[NullDetectionRows, ForcedTargets]:
    """Return the counts to store, and the sources to measure by forced photometry.

    Parameters
    ----------
    null_detections : NullDetections
        Known sources that the timestep does not detect.
    is_covered : (n,) bool
        Whether an image of the timestep covers their positions: only that is a look.
    detected : ForcedTargets
        Sources that it does detect: one that an image detects is worth measuring in the
        images of other bands that do not.
    expiration_timesteps : int
        Looks in a row without a detection after which a source is measured no more [-].
    candidate_timesteps : int
        Looks after which a source that was seen once must have been confirmed [-].
    """
    n_timesteps = null_detections.n_timesteps + is_covered
    waits = (n_timesteps <= expiration_timesteps) | null_detections.is_pending
    checks = _checks(expiration_timesteps, candidate_timesteps)
    # What was announced is checked when no other band can contradict it any more.
    is_checked = np.where(
        null_detections.is_active,
        ~null_detections.is_pending & (n_timesteps > candidate_timesteps),
        np.isin(n_timesteps, checks),
    )
    is_doubtful = ~waits | (is_covered & is_checked)
    # A source outside the field keeps its count until the next look at it.
    counted = waits & (is_covered | ~null_detections.is_stored)
    rows = NullDetectionRows(
        source_id=null_detections.id[counted],
        n_timesteps=n_timesteps[counted],
        zone=zone_of(null_detections.dec[counted]),
        ra=null_detections.ra[counted],
        dec=null_detections.dec[counted],
        ended=np.concatenate([null_detections.detected_again, null_detections.id[~waits]]),
        dormant=null_detections.id[~waits],
        doubtful=null_detections.id[is_doubtful],
    )
    measured = waits & is_covered
    targets = ForcedTargets(
        np.concatenate([null_detections.id[measured], detected.id]),
        np.concatenate([null_detections.ra[measured], detected.ra]),
        np.concatenate([null_detections.dec[measured], detected.dec]),
        "forced",
    )
    return rows, targets


def _checks(expiration_timesteps: int, candidate_timesteps: int) -> IntArray:
    """Return after how many looks a source is checked: twice in its time, answers may be late."""
    halfway = (expiration_timesteps + 1) // 2
    return np.unique(np.array([candidate_timesteps, halfway], np.int64) + 1)
