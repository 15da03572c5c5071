"""Forced measurements as the extractor returns them, given to the associator."""

import numpy as np

from runtime.kafka import InMessage
from schemas.codec import encode_forced_measurements
from schemas.messages import ForcedColumns, ForcedMeasurements, ForcedRequest
from schemas.topics import Topics
from services.associate.handlers.forced_measurements import ForcedMeasurementsHandler, read_result
from services.associate.storage import CatalogueStore
from tests.support.association import Associator

__all__ = ["forced_handler", "measure", "store", "take_requests"]


def take_requests(case: Associator) -> list[tuple[str, tuple[int, ...]]]:
    """Return the images requested since the last call, and the ids of their positions."""
    requests = [
        (each.image_id, tuple(each.positions.position_id.tolist())) for each in case.requests
    ]
    case.requests.clear()
    return requests


def measure(request: ForcedRequest, flux_jy_beam: float = 1e-4) -> ForcedMeasurements:
    """Return the result of a request: the same flux at every position, errors of 1 mJy/beam."""
    positions = request.positions
    n = len(positions.extraction_type)
    return ForcedMeasurements(
        image_id=request.image_id,
        stream=request.stream,
        source=request.source,
        measurements=ForcedColumns(
            position_id=positions.position_id,
            extraction_type=positions.extraction_type,
            ra=positions.ra,
            dec=positions.dec,
            flux_peak_jy_beam=np.full(n, flux_jy_beam),
            flux_peak_err_jy_beam=np.full(n, 1e-3),
            rms_local_jy_beam=np.full(n, 1e-3),
            reason=("",) * n,
        ),
    )


def forced_handler(case: Associator) -> ForcedMeasurementsHandler:
    """Return what stores results, as `app` has one for all its time."""
    return ForcedMeasurementsHandler(CatalogueStore(case.pool), case.settings.associate, Topics())


async def store(
    case: Associator,
    *results: ForcedMeasurements,
    handler: ForcedMeasurementsHandler | None = None,
) -> None:
    """Give results to the associator, as its `app` does; several: in one transaction.

    Without a handler that is kept, nothing is remembered from transaction to transaction.
    """
    handler = handler or forced_handler(case)
    messages = [
        InMessage("forced", 0, 0, b"", encode_forced_measurements(each)) for each in results
    ]
    if len(messages) == 1:
        has_messages = await handler.on_message(messages[0])
    else:
        has_messages = await handler.store([read_result(each) for each in messages])
    if has_messages:
        case.handler.outbox.expect()
