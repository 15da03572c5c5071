"""Which sources no image in order has looked at: late images may have detected them before."""

import numpy as np

from schemas.messages import IntArray
from services.associate.models.catalogue import CatalogueState
from services.associate.models.change_state import CHANGE_DTYPE

__all__ = ["find_unlooked"]


def find_unlooked(state: CatalogueState) -> IntArray:
    """Return the sources (k,) in no episode, and never in one, at which no look has been judged.

    Parameters
    ----------
    state : CatalogueState
        The sources around the detections of a timestep, with their statistics.
    """
    rows = state.sources
    is_unlooked = (rows["n_episodes"] == 0) & (rows["activity"] == 0)
    for table in state.statistics.values():
        is_looked = table["change_state"].view(CHANGE_DTYPE)["n_looks"] > 0
        is_unlooked[np.searchsorted(rows["id"], table["source_id"][is_looked])] = False
    return np.asarray(rows["id"][is_unlooked], np.int64)
