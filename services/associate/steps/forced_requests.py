"""Which positions of an image the extractor is to measure by forced photometry."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from schemas.messages import ForcedRequest, ImageDetections, IntArray, PositionColumns
from services.associate.models.decisions import ForcedTargets, ImageRequest
from services.associate.models.solutions import NO_SOLUTION, ImageSolution
from services.associate.steps.calibration import to_image_frame
from services.associate.steps.coverage import covers, metadata_of
from sky.id_sets import is_in

__all__ = ["find_request"]


def find_request(
    record: ImageDetections,
    targets: Sequence[ForcedTargets],
    detected: IntArray,
    solution: ImageSolution = NO_SOLUTION,
) -> ImageRequest | None:
    """Return the request for an image; None if there is nothing to measure in it.

    Parameters
    ----------
    record : ImageDetections
        Of an accepted image.
    targets : sequence of ForcedTargets
        Sources to measure where the image covers them.
    detected : (n,) int64
        Sources that were detected in the image: they are not measured again.
    solution : ImageSolution
        Of the image: the extractor measures where the sources are in the image.
    """
    in_image = [_to_image_frame(record, each, solution) for each in targets]
    parts = [_find_undetected(record, each, detected) for each in in_image]
    if not any(part.id.size for part in parts):
        return None
    types = [part.extraction_type for part in parts for _ in range(part.id.size)]
    request = ForcedRequest(
        image_id=record.image_id,
        stream=record.stream,
        source=record.source,
        positions=PositionColumns(
            position_id=np.concatenate([part.id for part in parts]),
            extraction_type=tuple(types),
            ra=np.concatenate([part.ra for part in parts]),
            dec=np.concatenate([part.dec for part in parts]),
        ),
    )
    return ImageRequest(metadata_of(record).freq_eff_hz, request)


def _to_image_frame(
    record: ImageDetections, targets: ForcedTargets, solution: ImageSolution
) -> ForcedTargets:
    ra, dec = to_image_frame(record, solution, targets.ra, targets.dec)
    return replace(targets, ra=ra, dec=dec)


def _find_undetected(
    record: ImageDetections, targets: ForcedTargets, detected: IntArray
) -> ForcedTargets:
    undetected = targets.select(~is_in(targets.id, detected))
    if not undetected.id.size:
        return undetected
    return undetected.select(covers(record, undetected.ra, undetected.dec))
