"""Records of detections-v1 to timesteps, timesteps to transactions."""

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

import asyncpg

from runtime.dead_letters import DeadLetters
from runtime.errors import (
    FatalError,
    PipelineError,
    RejectedMessageError,
    describe_exception,
    to_internal_error,
)
from runtime.in_flight import InFlight
from runtime.kafka import ConsumedHorizon, InMessage, Offsets, lost_by_retention
from runtime.logging import get_logger
from runtime.settings import AssociateSettings
from schemas.codec import CodecError, decode_image_detections
from schemas.messages import ImageDetections
from schemas.topics import Topics
from services.associate.errors import FencedError, UndecidedError
from services.associate.handlers.counts import TimestepCounts
from services.associate.handlers.expiry import Expiry
from services.associate.handlers.held_streams import HeldStreams
from services.associate.handlers.look_backs import LookBackHandler
from services.associate.handlers.outbox_relay import OutboxRelay
from services.associate.handlers.timestep import Outcome, associate_timestep
from services.associate.metrics import IMAGES, OPEN_IMAGES, TRANSACTION
from services.associate.models.timesteps import Arrival, LedgerEntry, OffsetMove, Timestep
from services.associate.steps.records import check_record, to_refused_record
from services.associate.steps.windows import TimestepWindows
from services.associate.storage import Catalogue, CatalogueStore

__all__ = ["DetectionsHandler"]

# Events and requests of the timesteps before wait for so long, and for one more timestep [s].
_ASSOCIATE_S = 0.1
_RESET_POLL_S = 2.0


class DetectionsHandler:
    """Gathers records into timesteps, commits these, and returns their messages.

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
    in_flight : InFlight
        Counts the messages that it works at; closed by `aclose`.
    offsets : Offsets or None
        How far extract has come; None: it is never behind.

    Attributes
    ----------
    dead_letters : DeadLetters
        Must be on Kafka before any offset moves beyond them.
    outbox : OutboxRelay
        Publishes what the transactions leave.
    look_backs : LookBackHandler
        Tells the new sources whose answers do not come in time.
    expiry : Expiry
        Deletes what is older than its retention.
    has_ready : bool
        Whether timesteps may be complete that wait for nothing.
    """

    def __init__(
        self,
        settings: AssociateSettings,
        topics: Topics,
        cluster_id: str,
        pool: asyncpg.Pool,
        in_flight: InFlight,
        *,
        offsets: Offsets | None = None,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._cluster_id = cluster_id
        self._pool = pool
        self._store = CatalogueStore(pool)
        self.outbox = OutboxRelay(self._store)
        self.look_backs = LookBackHandler(self._store, settings, topics)
        self.expiry = Expiry(self._store, settings)
        self._held = HeldStreams(self._store, settings.archive_wait_s)
        self._windows = TimestepWindows(settings)
        self._counts = TimestepCounts()
        self._ready: deque[Timestep] = deque()
        self.has_ready = False
        # Next offset per partition: as the database has it (-1: it has none), and as read.
        self._committed: dict[int, int] = {}
        self._next: dict[int, int] = {}
        self._horizon = None if offsets is None else ConsumedHorizon(offsets, lambda: self._next)
        self.dead_letters = DeadLetters(topic=topics.dead_letters, service="associate")
        self._in_flight = in_flight
        self._reading = in_flight.beside("read")
        # Ledger entries of dead letters by partition, written with the offsets beyond them.
        self._refused: list[tuple[int, LedgerEntry]] = []
        # Images whose timestep was split: partition and offset.
        self._split_images: set[tuple[int, int]] = set()
        self._next_reset_poll_s = 0.0

    async def aclose(self) -> None:
        """Close the connections."""
        self._in_flight.close()
        self._reading.close()
        await self._pool.close()

    def on_message(self, message: InMessage) -> None:
        """Add one record to its timestep; an invalid one becomes a dead letter."""
        if message.partition not in self._next:
            return  # fetched before the partition was revoked
        self._next[message.partition] = message.offset + 1
        record = None
        try:
            self._reading.check(message)
            with self._reading.work_at(message):
                record = decode_image_detections(message.value)
                check_record(record)
                self._windows.add(Arrival(record, message, time.monotonic()))
        except CodecError as error:
            self._refuse(message, None, RejectedMessageError("bad_avro", str(error)))
        except RejectedMessageError as error:
            self._refuse(message, record, error)
        except Exception as error:  # noqa: BLE001  (whatever it is: the next messages must follow)
            self._refuse(message, record, to_internal_error(error))

    def on_lost(self, message: InMessage) -> None:
        """Book a record that Kafka deleted before it was read."""
        if message.partition in self._next:
            self._next[message.partition] = message.offset + 1
            self._refuse(message, None, lost_by_retention(message))

    def _refuse(
        self, message: InMessage, record: ImageDetections | None, error: RejectedMessageError
    ) -> None:
        """Make a dead letter, and the ledger's entry of it."""
        IMAGES.labels("dead_lettered").inc()
        self.dead_letters.add(message, error)
        refused = to_refused_record(message, record, error.reason_code, self._cluster_id)
        self._refused.append((message.partition, LedgerEntry(refused, "rejected")))

    async def associate_ready(self) -> bool:
        """Commit complete timesteps; False if offsets were moved: take all partitions anew.

        Those of 100 ms, so that their events and requests go out before the next ones;
        `has_ready` tells whether more could be committed.
        """
        self._ready.extend(self._take_ready(self._consumed_until_s()))
        OPEN_IMAGES.set(self._windows.n_open_images())
        until_s = time.monotonic() + _ASSOCIATE_S
        self.has_ready = True
        try:
            # A dead letter made here must be on Kafka before an offset moves beyond it.
            while not self.dead_letters.pending:
                place = await self._held.find_next(self._ready)
                if place is None:
                    self.has_ready = False
                    break
                await self._commit_at(place)
                if time.monotonic() >= until_s:
                    break
            await self._commit_skipped()
        except FencedError:
            get_logger().warning("associator_fenced")
            return False
        return True

    def has_open_images(self) -> bool:
        """Return whether images wait for others of their timestep, or for answers."""
        return bool(self._ready) or self._windows.n_open_images() > 0

    def _consumed_until_s(self) -> float:
        """Return until when everything that was sent is here [s]; asked only where time counts."""
        now_s = time.monotonic()
        if self._horizon is None:
            return now_s
        if self._windows.is_overdue(now_s):
            self._horizon.poll()
            self._windows.restart_waits(self._horizon.available_since_s)
        return self._horizon.until_s

    def _take_ready(self, now_s: float) -> list[Timestep]:
        """Return the complete timesteps; if their windows fail, each waiting image alone."""
        try:
            return self._windows.ready(now_s)
        except Exception:  # noqa: BLE001  (whatever it is: the next images must follow)
            get_logger().exception("windows_failed")
            return self._windows.split_all()

    async def _commit_at(self, place: int) -> None:
        """Associate a ready timestep; one that cannot be is split by image, or waits."""
        timestep = self._ready[place]
        messages = [arrival.message for arrival in timestep.arrivals]
        try:
            self._check_attempts(timestep)
            outcome = await self._in_flight.run(self._commit_twice(timestep), *messages)
        except UndecidedError as error:
            self._held.hold(timestep.stream, error)
            return
        except RejectedMessageError as error:
            del self._ready[place]
            if len(timestep.arrivals) == 1:
                self._refuse(messages[0], timestep.arrivals[0].record, error)
            else:
                self._split(timestep, place)
            return
        del self._ready[place]
        self._held.note_committed(timestep.stream, is_decided=outcome.is_decided)
        self._split_images -= {(each.partition, each.offset) for each in timestep.arrivals}
        self._count(outcome)

    def _split(self, timestep: Timestep, place: int) -> None:
        """Put a timestep for each of its images in the place of one."""
        self._split_images |= {(each.partition, each.offset) for each in timestep.arrivals}
        for arrival in reversed(timestep.arrivals):
            self._ready.insert(place, replace(timestep, arrivals=(arrival,)))

    def _check_attempts(self, timestep: Timestep) -> None:
        """Refuse a timestep in which processes ended; an image of one that was split, once more.

        Raises
        ------
        RejectedMessageError
            Code ``killed_the_process``.
        """
        first = timestep.arrivals[0]
        is_split = (first.partition, first.offset) in self._split_images
        messages = [arrival.message for arrival in timestep.arrivals]
        self._in_flight.limits.check(self._in_flight.attempts.n_ended(*messages) - is_split)

    async def _commit_twice(self, timestep: Timestep) -> Outcome:
        """Commit a timestep; after an unexpected exception once more, in a new transaction."""
        try:
            return await self._commit(timestep)
        except PipelineError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever it is: the next timesteps must follow)
            get_logger().warning("timestep_failed_once", error=describe_exception(error))
        try:
            return await self._commit(timestep)
        except PipelineError:
            raise
        except Exception as error:
            get_logger().exception(
                "timestep_failed", stream=timestep.stream, time_start=str(timestep.time_start)
            )
            raise to_internal_error(error) from error

    @TRANSACTION.time()
    async def _commit(self, timestep: Timestep) -> Outcome:
        moves = self._moves({arrival.partition for arrival in timestep.arrivals}, after=timestep)
        if timestep.time_start is not None:  # it has images that are stored
            await self._store.extend_months(timestep.stream, timestep.time_start)
        async with self._store.transaction() as catalogue:
            await catalogue.move_offsets(self._cluster_id, self._topics.detections, moves)
            await self._record_refused(catalogue)
            outcome = await associate_timestep(
                catalogue,
                timestep,
                settings=self._settings,
                topics=self._topics,
                waits=self._held.may_hold(timestep.stream),
            )
        self._moved(moves)
        self._refused.clear()
        return outcome

    async def _record_refused(self, catalogue: Catalogue) -> None:
        """Write the ledger's entries of dead letters."""
        for stream in sorted({entry.record.stream for _, entry in self._refused}):
            entries = [entry for _, entry in self._refused if entry.record.stream == stream]
            await catalogue.record_outcomes(stream, entries)

    def _count(self, outcome: Outcome) -> None:
        self._counts.add(outcome.entries)
        if outcome.has_messages:
            self.outbox.expect()
        if outcome.has_look_backs:
            self.look_backs.expect()

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
                await self._record_refused(catalogue)
            self._moved(moves)
            self._refused.clear()

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

    async def reset_clocks(self) -> None:
        """Reset the clocks of streams where an operator asks for it."""
        now_s = time.monotonic()
        if now_s < self._next_reset_poll_s:
            return
        self._next_reset_poll_s = now_s + _RESET_POLL_S
        try:
            names = await self._store.take_clock_resets(self._windows.stream_names())
        except FatalError:
            raise
        except Exception as error:  # noqa: BLE001  (the images must follow)
            get_logger().warning("clock_resets_not_read", error=describe_exception(error))
            return
        if names:
            self._windows.reset_clock(names)
            get_logger().info("clocks_reset", streams=names)

    async def take_partitions(self, partitions: Sequence[int]) -> dict[int, int]:
        """Take partitions over; return the next offsets of those that were consumed before."""
        self.release_partitions(partitions)
        # After a restore, too, as the offsets of the database are then others than here.
        self._store.forget()
        offsets = await self._store.load_offsets(
            self._cluster_id, self._topics.detections, partitions
        )
        self._windows.restore(await self._store.load_stream_states())
        for partition in partitions:
            self._committed[partition] = offsets.get(partition, -1)
            self._next[partition] = offsets.get(partition, 0)
        self.outbox.expect()
        return offsets

    def release_partitions(self, partitions: Sequence[int]) -> None:
        """Drop the records of partitions that another associator has now."""
        gone = set(partitions)
        self._held.clear()
        self._windows.drop_partitions(partitions)
        self._refused = [each for each in self._refused if each[0] not in gone]
        self._ready = deque(
            replace(timestep, arrivals=kept)
            for timestep in self._ready
            if (kept := tuple(each for each in timestep.arrivals if each.partition not in gone))
        )
        for partition in partitions:
            self._committed.pop(partition, None)
            self._next.pop(partition, None)

    def partitions(self) -> list[int]:
        """Return the partitions of this process."""
        return sorted(self._next)
