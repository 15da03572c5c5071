"""What the handlers of a process share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.errors import unknown_stream
from api.steps.adql.translator import Translator
from api.steps.alert_stream import AlertStream
from api.steps.statistics_copy import StatisticsCopy
from api.steps.stream_limiter import StreamLimiter
from api.steps.tap_jobs import TapJobs
from api.storage.budget import ClientBudget
from api.storage.database import Database
from api.storage.pixels import ImagePixels
from api.storage.retained_images import Retention
from runtime.settings import ApiSettings, KafkaSettings, RmsBounds

__all__ = [
    "ApiContext",
    "ClientAddress",
    "Context",
    "get_context",
    "refuse_unknown_stream",
]


@dataclass(frozen=True, slots=True)
class ApiContext:
    """What the handlers of a process share.

    Parameters
    ----------
    database : Database
        Connections to PostgreSQL.
    alert_stream : AlertStream
        New alerts for the clients of ``/alerts/stream``.
    statistics_copy : StatisticsCopy
        Renews the copy by which the catalogue is filtered and ordered.
    streams : StreamLimiter
        How many of them may be open.
    settings : ApiSettings
        Section ``api`` of the settings.
    kafka : KafkaSettings
        Where the broker is; it is asked for pixels, and when an operator asks.
    pixels : ImagePixels
        Pixels of images.
    pixel_budget : ClientBudget
        How many cutouts of one client are made at a time.
    retention : Retention
        Which images Kafka has.
    translator : Translator
        Makes SQL of queries of ADQL.
    tap_jobs : TapJobs
        Queries that are answered later.
    rms_bounds : RmsBounds
        Of section ``extract``: noise of the images that are accepted.
    """

    database: Database
    alert_stream: AlertStream
    statistics_copy: StatisticsCopy
    streams: StreamLimiter
    settings: ApiSettings
    kafka: KafkaSettings
    pixels: ImagePixels
    pixel_budget: ClientBudget
    retention: Retention
    translator: Translator
    tap_jobs: TapJobs
    rms_bounds: RmsBounds


async def get_context(request: Request) -> ApiContext:
    """Return the context that `create_app` gave the application.

    An override of the dependency would do the same, and FastAPI would analyse every dependency
    of every request anew: most of the time of a list.
    """
    context: ApiContext = request.app.state.context
    return context


async def refuse_unknown_stream(
    context: ApiContext, rows: Sequence[object], stream: str | None
) -> None:
    """Refuse the name of a stream that does not exist, which an empty list would hide.

    Raises
    ------
    ProblemError
        404 if `rows` is empty and there is no such stream.
    """
    if rows or stream is None:
        return
    known = [row["name"] for row in await context.database.fetch("list_stream_names")]
    if stream not in known:
        raise unknown_stream(stream, known)


async def _client_address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


Context = Annotated[ApiContext, Depends(get_context)]
ClientAddress = Annotated[str, Depends(_client_address)]
