"""Where a timestep expects the moving objects that are followed."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from schemas.messages import FloatArray
from services.associate.models.catalogue import CatalogueState, ChannelKey, RowArray
from services.associate.models.timesteps import Timestep
from services.associate.steps.moving_points import middle_of, points_of
from services.associate.steps.tracks import predict

__all__ = ["expect_moving"]


def expect_moving(
    state: CatalogueState,
    timestep: Timestep,
    sources: RowArray,
    statistics: Mapping[ChannelKey, RowArray],
) -> CatalogueState:
    """Return a state with the moving sources where a timestep expects them.

    Parameters
    ----------
    state : CatalogueState
        The sources around the detections.
    timestep : Timestep
        When they are expected.
    sources : (n,) structured, `SOURCE_DTYPE`
        The moving sources in ascending order of id.
    statistics : mapping of structured, `STATISTICS_DTYPE`
        Theirs, by band and Stokes parameter.
    """
    time_s = _middle_s(timestep)
    if time_s is None or not sources.size:
        return state
    tracks = [points_of(state.tracks, number) for number in sources["id"].tolist()]
    first = np.concatenate([track[:1] for track in tracks])
    last = np.concatenate([track[-1:] for track in tracks])
    vectors, err_deg, _ = predict(first, last, np.full(sources.size, time_s))
    moved = sources.copy()
    moved["ra"], moved["dec"] = _to_position(vectors)
    moved["weight_ra"] = moved["weight_dec"] = 1 / np.maximum(err_deg, 1e-9) ** 2
    everything = np.concatenate([state.sources, moved])
    merged = dict(state.statistics)
    for key, table in statistics.items():
        merged[key] = np.concatenate([merged[key], table]) if key in merged else table
    order = np.argsort(everything["id"], kind="stable")
    return replace(state, sources=everything[order], statistics=merged)


def _middle_s(timestep: Timestep) -> float | None:
    """Return the middle of the first exposure of a timestep [s since 1970]; None without one."""
    for record in timestep.records:
        if record.metadata is not None and record.verdict == "accepted":
            return middle_of(record.metadata.time_start, record.metadata.exposure_s)
    return None


def _to_position(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return right ascension in [0, 360) and declination of unit vectors (n, 3) [deg]."""
    x, y, z = vectors.T
    ra = np.degrees(np.arctan2(y, x)) % 360.0
    return np.where(ra >= 360.0, 0.0, ra), np.degrees(np.arctan2(z, np.hypot(x, y)))
