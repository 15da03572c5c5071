"""Records of detections-v1 to timesteps, timesteps to transactions, the outbox to messages."""

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

import asyncpg

from runtime.dead_letters import DeadLetters
from runtime.errors import RejectedMessageError, TransientError
from runtime.kafka import InMessage, OutMessage
from runtime.logging import get_logger
from runtime.settings import AssociateSettings
from schemas.codec import CodecError, decode_image_detections
from schemas.topics import Topics
from services.associate.errors import FencedError
from services.associate.handlers.timestep import Outcome, associate_timestep
from services.associate.metrics import EVENTS, IMAGES, OPEN_IMAGES, TIMESTEPS, TRANSACTION
from services.associate.models.timesteps import Arrival, OffsetMove, Timestep
from services.associate.steps.records import check_record
from services.associate.steps.windows import TimestepWindows
from services.associate.storage import CatalogueStore

__all__ = ["DetectionsHandler"]

_OUTBOX_BATCH = 500
_OUTBOX_POLL_S = 1.0
_EXPIRY_EVERY_S = 3600.0


class DetectionsHandler:
    """Gathers records into timesteps, commits these, and hands out their messages.

    Parameters
    ----------
    settings : AssociateSettings
        Limits, windows and retention.
    topics : Topics
        Names of the topics.
    cluster_id : str
        Kafka cluster the offsets belong to.
    pool : asyncpg.Pool
        Closed by `aclose`.

    Attributes
    ----------
    dead_letters : DeadLetters
        Must be on Kafka before any offset moves beyond them.
    """

    def __init__(
        self,
        settings: AssociateSettings,
        topics: Topics,
        cluster_id: str,
        pool: asyncpg.Pool,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._cluster_id = cluster_id
        self._pool = pool
        self._store = CatalogueStore(pool)
        self._windows = TimestepWindows(settings)
        self._ready: deque[Timestep] = deque()
        # Next offset per partition: as the database has it (-1: it has none), and as read.
        self._committed: dict[int, int] = {}
        self._next: dict[int, int] = {}
        self.dead_letters = DeadLetters(topic=topics.dead_letters, service="associate")
        self._is_outbox_empty = False
        self._next_expiry_s = 0.0
        self._next_poll_s = 0.0

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.close()

    def on_message(self, message: InMessage) -> None:
        """Add one record to its timestep; an invalid one becomes a dead letter."""
        if message.partition not in self._next:
            return  # fetched before the partition was revoked
        self._next[message.partition] = message.offset + 1
        try:
            record = decode_image_detections(message.value)
            check_record(record)
        except CodecError as error:
            self._add_dead_letter(message, RejectedMessageError("bad_avro", str(error)))
        except RejectedMessageError as error:
            self._add_dead_letter(message, error)
        else:
            self._windows.add(Arrival(record, message, time.monotonic()))

    def _add_dead_letter(self, message: InMessage, error: RejectedMessageError) -> None:
        IMAGES.labels("dead_lettered").inc()
        self.dead_letters.add(message, error)

    async def associate_ready(self) -> bool:
        """Commit the timesteps that are complete.

        Returns
        -------
        bool
            False if another associator has moved the offsets: all partitions must be taken anew.
        """
        self._ready.extend(self._windows.ready(time.monotonic()))
        OPEN_IMAGES.set(self._windows.n_open_images())
        try:
            # A dead letter made here must be on Kafka before an offset moves beyond it.
            while self._ready and not self.dead_letters.pending:
                await self._commit_first()
            await self._commit_skipped()
        except FencedError:
            get_logger().warning("associator_fenced")
            return False
        return True

    async def _commit_first(self) -> None:
        """Associate the oldest ready timestep; one that PostgreSQL refuses is split by image."""
        timestep = self._ready[0]
        try:
            outcome = await self._commit(timestep)
        except RejectedMessageError as error:
            self._ready.popleft()
            if len(timestep.arrivals) == 1:
                self._add_dead_letter(timestep.arrivals[0].message, error)
            else:
                self._ready.extendleft(
                    replace(timestep, arrivals=(arrival,))
                    for arrival in reversed(timestep.arrivals)
                )
            return
        self._ready.popleft()
        self._count(outcome)

    @TRANSACTION.time()
    async def _commit(self, timestep: Timestep) -> Outcome:
        moves = self._moves({arrival.partition for arrival in timestep.arrivals}, after=timestep)
        async with self._store.transaction() as catalogue:
            await catalogue.move_offsets(self._cluster_id, self._topics.detections, moves)
            outcome = await associate_timestep(
                catalogue, timestep, settings=self._settings, topics=self._topics
            )
        self._moved(moves)
        return outcome

    def _count(self, outcome: Outcome) -> None:
        TIMESTEPS.inc()
        for entry in outcome.entries:
            IMAGES.labels(entry.outcome).inc()
        if outcome.has_messages:
            self._is_outbox_empty = False

    async def _commit_skipped(self) -> None:
        """Move the offsets over records that are dead letters on Kafka by now."""
        if self.dead_letters.pending:
            return
        moves = [
            move
            for move in self._moves(set(self._next), after=None)
            if move.next_offset > max(move.expected, 0)
        ]
        if moves:
            async with self._store.transaction() as catalogue:
                await catalogue.move_offsets(self._cluster_id, self._topics.detections, moves)
            self._moved(moves)

    def _moves(self, partitions: set[int], *, after: Timestep | None) -> list[OffsetMove]:
        """Return the next offset of each partition: that of the first record that still waits."""
        waiting = [timestep for timestep in self._ready if timestep is not after]
        moves = []
        for partition in sorted(partitions):
            offsets = [
                arrival.offset
                for timestep in waiting
                for arrival in timestep.arrivals
                if arrival.partition == partition
            ]
            still_open = self._windows.lowest_open_offset(partition)
            if still_open is not None:
                offsets.append(still_open)
            next_offset = min(offsets, default=self._next[partition])
            moves.append(OffsetMove(partition, self._committed[partition], next_offset))
        return moves

    def _moved(self, moves: Iterable[OffsetMove]) -> None:
        self._committed.update({move.partition: move.next_offset for move in moves})

    async def drop_expired(self) -> None:
        """Drop measurements that are older than the retention, once an hour."""
        retention_days = self._settings.detection_retention_days
        now_s = time.monotonic()
        if retention_days is None or now_s < self._next_expiry_s:
            return
        self._next_expiry_s = now_s + _EXPIRY_EVERY_S
        try:
            names = await self._store.drop_expired(retention_days)
        except TransientError as error:
            get_logger().warning("detections_not_expired", error=str(error))
            return
        if names:
            get_logger().info("detections_expired", partitions=names)

    def expect_outbox(self) -> None:
        """Note that another transaction has left something in the outbox."""
        self._is_outbox_empty = False

    async def fetch_outbox(self) -> list[tuple[int, OutMessage]]:
        """Return messages for Kafka, oldest first, with the ids to delete afterwards."""
        now_s = time.monotonic()
        if self._is_outbox_empty and now_s < self._next_poll_s:
            return []
        rows = await self._store.fetch_outbox(_OUTBOX_BATCH)
        self._is_outbox_empty = not rows
        self._next_poll_s = (
            now_s + _OUTBOX_POLL_S
        )  # an operator's retractions are not announced here
        return [
            (number, OutMessage(topic, key.encode(), value)) for number, topic, key, value in rows
        ]

    async def delete_outbox(self, ids: Sequence[int]) -> None:
        """Delete messages that Kafka has."""
        await self._store.delete_outbox(ids)
        EVENTS.inc(len(ids))

    async def take_partitions(self, partitions: Sequence[int]) -> dict[int, int]:
        """Take partitions over; return the next offsets of those that were consumed before."""
        self.release_partitions(partitions)
        offsets = await self._store.load_offsets(
            self._cluster_id, self._topics.detections, partitions
        )
        self._windows.restore(await self._store.load_stream_states())
        for partition in partitions:
            self._committed[partition] = offsets.get(partition, -1)
            self._next[partition] = offsets.get(partition, 0)
        self._is_outbox_empty = False
        return offsets

    def release_partitions(self, partitions: Sequence[int]) -> None:
        """Drop what is held of partitions that another associator has now."""
        gone = set(partitions)
        self._windows.drop_partitions(partitions)
        self._ready = deque(
            timestep for timestep in self._ready if timestep.arrivals[0].partition not in gone
        )
        for partition in partitions:
            self._committed.pop(partition, None)
            self._next.pop(partition, None)

    def partitions(self) -> list[int]:
        """Return the partitions of this process."""
        return sorted(self._next)
