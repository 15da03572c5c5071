"""Known sources that a timestep does not detect, and for how long."""

import numpy as np

from schemas.messages import BoolArray, IntArray
from services.associate.models.catalogue import NullDetections
from services.associate.models.decisions import ForcedTargets, NullDetectionRows
from services.associate.models.waiting import Doubtful
from sky.geometry import zone_of

__all__ = ["count_null_detections"]

# What was announced and detected more often stays.
_MOST_BLIND = 2


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
    # It ends with a look: what is decided then rests on the answers of earlier ones.
    waits = (n_timesteps <= expiration_timesteps) | null_detections.is_pending | ~is_covered
    checks = _checks(expiration_timesteps, candidate_timesteps)
    is_checked = ~waits | (is_covered & np.isin(n_timesteps, checks))
    # What was announced is checked at every look when no other band can contradict it any more.
    # Whether it is in an episode may depend on answers: who archives knows.
    is_settled = ~null_detections.is_pending & (n_timesteps > candidate_timesteps)
    is_faint = null_detections.n_blind <= _MOST_BLIND
    is_checked_active = is_faint & (~waits | (is_covered & is_settled))
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
        doubtful=Doubtful(null_detections.id[is_checked], null_detections.id[is_checked_active]),
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
