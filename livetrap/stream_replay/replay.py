"""Associate the archived records of a stream again, into a stream of its own."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path

import asyncpg

from livetrap.stream_replay.archive_files import list_files, require_parquet
from livetrap.stream_replay.archived_stream import ArchivedFluxes, read_timesteps
from runtime.array_codecs import take_numpy
from runtime.errors import SettingsError
from runtime.kafka import InMessage
from runtime.postgres import create_pool, lend_connection
from runtime.settings import AssociateSettings, PostgresSettings, Settings, load_settings
from runtime.sql import Queries
from schemas.codec import decode_forced_request
from schemas.messages import ForcedRequest, ImageDetections, SourceColumns
from schemas.topics import Topics
from services.associate.handlers.forced_measurements import ForcedMeasurementsHandler
from services.associate.handlers.timestep import associate_timestep
from services.associate.models.timesteps import Arrival, LedgerEntry, Timestep
from services.associate.storage import Catalogue, CatalogueStore

__all__ = ["Replay", "Replayed", "replay_stream", "to_overrides"]

_QUERIES = Queries("livetrap.stream_replay")
_THRESHOLD = "detection_threshold_sigma"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What is associated again, and how.

    Parameters
    ----------
    archive : Path
        Folder of the archive.
    stream, into : str
        The stream, and the new one.
    since, until : datetime
        Exposures start from `since` on and before `until`.
    overrides : mapping
        Settings of section `associate` that differ from those of now, and
        ``detection_threshold_sigma``: detections of less S/N are left out.
    has_alerts : bool
        Whether the events go to Kafka, where they become alerts.
    """

    archive: Path
    stream: str
    into: str
    since: datetime
    until: datetime
    overrides: Mapping[str, str]
    has_alerts: bool = False


@dataclass(slots=True)
class Replayed:
    """What a replay has done: images, timesteps, forced fluxes and those that were never made."""

    n_images: int = 0
    n_timesteps: int = 0
    n_answered: int = 0
    n_missing: int = 0


def to_overrides(texts: Sequence[str]) -> dict[str, str]:
    """Return settings from texts like ``new_source_sigma_margin=3``.

    Raises
    ------
    SettingsError
        If one is no such text, or names no setting of section `associate`.
    """
    found = {}
    for text in texts:
        name, is_there, value = text.partition("=")
        name = name.strip().lower().removeprefix("associate__")
        if not is_there or name not in {*AssociateSettings.model_fields, _THRESHOLD}:
            raise SettingsError(
                f"--set {text}: give KEY=VALUE, KEY a setting of section associate such as "
                f"new_source_sigma_margin, or {_THRESHOLD}"
            )
        found[name] = value.strip()
    return found


def replay_stream(
    replay: Replay, *, on_timestep: Callable[[Replayed], None] = lambda _: None
) -> Replayed:
    """Associate a stream again, as fast as it goes.

    The ledger, the offsets and the live stream stay as they are. A timestep, the answers to its
    requests and what follows from these are one transaction: nothing is left waiting.

    Parameters
    ----------
    replay : Replay
        What is associated again.
    on_timestep : callable
        Told after each timestep.

    Raises
    ------
    SettingsError
        If pyarrow is missing, the archive has nothing of the stream, the new stream exists, or a
        setting is wrong.
    TransientError
        If PostgreSQL is away.
    """
    require_parquet()
    overrides = {name: value for name, value in replay.overrides.items() if name != _THRESHOLD}
    settings = load_settings(associate=overrides)
    threshold = _to_threshold(replay.overrides.get(_THRESHOLD))
    if not list_files(replay.archive, "detections", replay.stream):
        raise SettingsError(
            f"{replay.archive} has nothing of stream {replay.stream!r}; "
            "`livetrap streams archive` writes it"
        )
    return asyncio.run(_replay(replay, settings, threshold, on_timestep))


def _to_threshold(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        threshold = float(text)
    except ValueError:
        threshold = math.nan
    if not 0 < threshold < math.inf:
        raise SettingsError(f"--set {_THRESHOLD}={text}: give a number above 0 [sigma]")
    return threshold


async def _replay(
    replay: Replay,
    settings: Settings,
    threshold: float | None,
    on_timestep: Callable[[Replayed], None],
) -> Replayed:
    async with _open_pool(settings.postgres) as pool:
        async with lend_connection(pool) as connection:
            if await _QUERIES.fetchval(connection, "has_stream", name=replay.into):
                raise SettingsError(
                    f"stream {replay.into!r} exists: choose another --into, or "
                    f"`livetrap streams delete {replay.into}`"
                )
        runner = _Runner(replay, settings, pool)
        for records in read_timesteps(
            replay.archive,
            replay.stream,
            replay.since,
            replay.until,
            tolerance_s=settings.associate.timestep_tolerance_s,
        ):
            chosen = [_to_record(each, replay.into, threshold) for each in records]
            on_timestep(await runner.associate(chosen))
        return runner.done


@asynccontextmanager
async def _open_pool(settings: PostgresSettings) -> AsyncIterator[asyncpg.Pool]:
    pool = await create_pool(settings, service="replay", prepare=take_numpy, resets_sessions=False)
    try:
        yield pool
    finally:
        await pool.close()


def _to_record(record: ImageDetections, stream: str, threshold: float | None) -> ImageDetections:
    """Return a record in another stream, without the detections below a threshold."""
    if threshold is None or record.sources is None:
        return replace(record, stream=stream)
    kept = record.sources.snr >= threshold
    columns = {
        each.name: getattr(record.sources, each.name)[kept] for each in fields(SourceColumns)
    }
    return replace(
        record,
        stream=stream,
        sources=SourceColumns(**columns),
        detection_threshold_sigma=max(threshold, record.detection_threshold_sigma or 0.0),
    )


class _ReplayCatalogue(Catalogue):
    """A transaction that leaves the ledger alone: its images are booked already."""

    async def record_outcomes(self, stream: str, entries: Sequence[LedgerEntry]) -> None:
        """Book nothing."""


class _OneTransaction(CatalogueStore):
    """A store whose transactions are part of one that is open."""

    def __init__(self, pool: asyncpg.Pool, catalogue: Catalogue) -> None:
        super().__init__(pool)
        self._catalogue = catalogue

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Catalogue]:
        """Lend the catalogue of the open transaction."""
        yield self._catalogue


class _Runner:
    """Associates timesteps of a replay."""

    def __init__(self, replay: Replay, settings: Settings, pool: asyncpg.Pool) -> None:
        self._replay = replay
        self._settings = settings.associate
        self._topics = Topics(settings.kafka.topic_prefix)
        self._pool = pool
        self._fluxes = ArchivedFluxes(replay.archive, replay.stream)
        self._taken = [self._topics.forced_requests]
        if not replay.has_alerts:
            self._taken.append(self._topics.transients)
        self.done = Replayed()

    async def associate(self, records: Sequence[ImageDetections]) -> Replayed:
        """Associate a timestep with the answers to its requests; return what is done so far."""
        async with lend_connection(self._pool) as connection, connection.transaction():
            catalogue = _ReplayCatalogue(connection)
            await associate_timestep(
                catalogue, self._to_timestep(records), settings=self._settings, topics=self._topics
            )
            handler = ForcedMeasurementsHandler(
                _OneTransaction(self._pool, catalogue), self._settings, self._topics
            )
            while requests := await self._take_requests(connection):
                await handler.store([self._fluxes.answer(each) for each in requests])
            if not self._replay.has_alerts:
                await _QUERIES.execute(connection, "skip_stamps", stream=self._replay.into)
        self.done.n_timesteps += 1
        self.done.n_images += len(records)
        self.done.n_answered = self._fluxes.n_answered
        self.done.n_missing = self._fluxes.n_missing
        return self.done

    def _to_timestep(self, records: Sequence[ImageDetections]) -> Timestep:
        first = self.done.n_images
        arrivals = tuple(
            Arrival(record, InMessage("replay", 0, first + number, b"", b""), 0.0)
            for number, record in enumerate(records)
        )
        starts = [each.metadata.time_start for each in records if each.metadata]
        return Timestep(self._replay.into, min(starts), arrivals)

    async def _take_requests(
        self, connection: "asyncpg.pool.PoolConnectionProxy"
    ) -> list[ForcedRequest]:
        """Take what the transaction has left for Kafka; return the requests."""
        rows = await _QUERIES.fetch(
            connection, "take_outbox", stream=self._replay.into, topic=self._taken
        )
        return [
            decode_forced_request(row["value"])
            for row in rows
            if row["topic"] == self._topics.forced_requests
        ]
