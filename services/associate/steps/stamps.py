"""Which images the stamps of a transient are cut from."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from schemas.identity import stamp_id
from schemas.messages import StampColumns, StampRequest
from schemas.reasons import StampReason
from services.associate.models.stamps import (
    StampImage,
    StampPlan,
    StampPlans,
    StampRole,
    StampTransient,
)
from sky.margin import is_searched
from sky.wcs import SkyProjection

__all__ = ["plan_stamps"]

# A request is cut at one go: in a few milliseconds, while a new image may wait.
_STAMPS_IN_REQUEST = 8


def plan_stamps(
    transients: Sequence[StampTransient], earlier: Mapping[int, Sequence[StampImage]]
) -> StampPlans:
    """Return the stamps of transients, and what the extractor is asked for.

    Parameters
    ----------
    transients : sequence of StampTransient
        Which have none yet.
    earlier : mapping
        By the id of the transient: images of its band from before its own, the latest first.
    """
    plans = [plan for each in transients for plan in _plan_one(each, earlier[each.transient_id])]
    # What the page shows first comes first.
    plans.sort(key=lambda plan: ("now", "before", "deepest").index(plan.role))
    return StampPlans(tuple(plans), tuple(_to_requests(plans)))


def _plan_one(transient: StampTransient, earlier: Sequence[StampImage]) -> Iterator[StampPlan]:
    yield _to_plan(transient, "now", transient.image)
    covering = [image for image in earlier if _covers(image, transient)]
    if not covering:
        yield _to_plan(transient, "before", None)
        return
    before = covering[0]
    yield _to_plan(transient, "before", before)
    deepest = min(covering, key=lambda image: image.rms_jy_beam)
    if deepest.rms_jy_beam < before.rms_jy_beam:
        yield _to_plan(transient, "deepest", deepest)


def _to_plan(transient: StampTransient, role: StampRole, image: StampImage | None) -> StampPlan:
    reason = None if image is not None else StampReason.NO_EARLIER_IMAGE.value
    return StampPlan(transient, role, stamp_id(transient.trig_id, role), image, reason)


def _covers(image: StampImage, transient: StampTransient) -> bool:
    x, y = SkyProjection.of(image.wcs_header).to_pixel(
        np.array([transient.ra]), np.array([transient.dec])
    )
    return bool(is_searched((image.height_px, image.width_px), x, y, 0)[0])


def _to_requests(plans: Sequence[StampPlan]) -> Iterator[tuple[float, StampRequest]]:
    """Return requests of a few stamps of one image each."""
    by_image: dict[tuple[str, str], tuple[StampImage, list[StampPlan]]] = {}
    for plan in plans:
        if plan.image is not None:
            key = plan.transient.stream, plan.image.image_id
            by_image.setdefault(key, (plan.image, []))[1].append(plan)
    for (stream, _), (image, same) in by_image.items():
        for start in range(0, len(same), _STAMPS_IN_REQUEST):
            few = same[start : start + _STAMPS_IN_REQUEST]
            columns = StampColumns(
                tuple(plan.stamp_id for plan in few),
                np.array([plan.transient.ra for plan in few]),
                np.array([plan.transient.dec for plan in few]),
            )
            request = StampRequest(image.image_id, stream, image.source, columns)
            yield image.freq_eff_hz, request
