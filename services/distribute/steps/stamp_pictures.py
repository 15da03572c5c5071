"""Pictures of the sources of alerts: before, now, and the difference."""

from collections.abc import Sequence

from runtime.logging import get_logger
from services.distribute.models import SourcePictures, StoredStamp
from sky.cutout import Cutout
from sky.png import to_png
from sky.stamps import read_stamp, subtract, turn_north_up

__all__ = ["draw_pictures"]

_WORDS = {"waiting": "not cut yet"}


def draw_pictures(
    trig_ids: Sequence[str], stamps: Sequence[StoredStamp], *, most_bytes: int
) -> dict[str, SourcePictures]:
    """Return the pictures of each source, or why it has none; some may exceed the limit.

    Parameters
    ----------
    trig_ids : sequence of str
        Families of alerts, in the order in which they may have pictures.
    stamps : sequence of StoredStamp
        Theirs, in any order.
    most_bytes : int
        Limit of all pictures together [byte].
    """
    by_trig: dict[str, dict[str, StoredStamp]] = {each: {} for each in trig_ids}
    for stamp in stamps:
        by_trig[stamp.trig_id][stamp.role] = stamp
    drawn: dict[str, SourcePictures] = {}
    for trig_id, roles in by_trig.items():
        pictures = _draw_source(trig_id, roles)
        n_bytes = sum(map(len, pictures.by_role.values()))
        if n_bytes > most_bytes:
            pictures = SourcePictures({}, "too large together")
        else:
            most_bytes -= n_bytes
        drawn[trig_id] = pictures
    return drawn


def _draw_source(trig_id: str, roles: dict[str, StoredStamp]) -> SourcePictures:
    """Return the pictures of one source; what goes wrong is a reason."""
    now, before = roles.get("now"), roles.get("before")
    if now is None:
        return SourcePictures({}, "not asked for")
    if now.data is None:
        return SourcePictures({}, _WORDS.get(now.reason, now.reason))
    try:
        after = read_stamp(now.data)
        if before is None or before.data is None:
            reason = "none" if before is None else _WORDS.get(before.reason, before.reason)
            return SourcePictures({"now": _draw(now, after)}, f"before: {reason}")
        earlier = read_stamp(before.data)
        return SourcePictures(
            {
                "before": _draw(now, earlier),
                "now": _draw(now, after),
                "difference": _draw(now, subtract(after, earlier)),
            }
        )
    except Exception:  # noqa: BLE001  (whatever it is: the alert itself must go out)
        get_logger().exception("stamp_not_drawn", trig_id=trig_id)
        return SourcePictures({}, "damaged")


def _draw(now: StoredStamp, pixels: Cutout) -> bytes:
    """Return a picture with the greys of all pictures of the source."""
    upright = turn_north_up(pixels, now.ra, now.dec)
    return to_png(upright, now.rms_jy_beam, peak_jy_beam=now.flux_peak_jy_beam)
