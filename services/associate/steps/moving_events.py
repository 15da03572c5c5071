"""What is announced of moving objects, and cited of their earlier detections."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from schemas.messages import SourceEvent
from services.associate.models.catalogue import RowArray
from services.associate.models.tracks import Tracks
from services.associate.steps.triggers import Test, Trigger

__all__ = ["cite_members", "describe_object", "to_moving_triggers"]

# As many earlier episodes are cited of any source.
_MAX_CITED = 10


def to_moving_triggers(tracks: Tracks, firsts: Sequence[Trigger]) -> list[Trigger]:
    """Return the events that tell moving objects; `firsts` as in `find_moving`."""
    by_source = {trigger.source: trigger for trigger in firsts}
    return [
        replace(
            by_source[source],
            kind="moving",
            certainty="certain",
            test=Test("track"),
            limit_jy_beam=None,
            time_limit=None,
            motion=motion,
            note=f"moves by {motion.rate_arcsec_s:.4g} arcsec/s towards position angle "
            f"{motion.direction_deg:.1f} deg: {motion.n_points} detections since "
            f"{motion.time_begin:%Y-%m-%dT%H:%M:%SZ}",
        )
        for source, motion in sorted(tracks.begun.items())
    ]


def describe_object(event: SourceEvent) -> str:
    """Return what was detected, for those who take its detections for sources.

    Parameters
    ----------
    event : SourceEvent
        That tells the moving object.
    """
    return (
        f"a detection of the moving object {event.trig_id}, at {event.ra:.4f} {event.dec:+.4f} "
        f"deg on {event.time_start:%Y-%m-%dT%H:%M:%SZ}, which {event.note}"
    )


def cite_members(
    tracks: Tracks, rows: RowArray, trig_ids: Mapping[int, str]
) -> dict[int, tuple[str, ...]]:
    """Return what the earlier detections of moving objects are announced as, the newest first.

    Parameters
    ----------
    tracks : Tracks
        Those that begin, with the sources that were the same object.
    rows : (n,) structured
        The candidates with the ids to store.
    trig_ids : mapping
        Identity of the first episode of a source, by its id.

    Returns
    -------
    dict
        By the id of the object.
    """
    return {
        int(rows["id"][row]): tuple(
            trig_ids[member] for member in sorted(members, reverse=True) if member in trig_ids
        )[:_MAX_CITED]
        for row, members in tracks.members.items()
    }
