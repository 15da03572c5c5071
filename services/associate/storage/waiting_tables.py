"""Looks that wait for answers, and the requests that are under way."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import numpy as np

from schemas.messages import IntArray
from services.associate.models.catalogue import MeasuredImage
from services.associate.models.waiting import (
    MEASURED_COLUMNS,
    Doubtful,
    EarlierStates,
    LookRows,
    ReadyLooks,
    UnansweredRequest,
    WaitingRow,
    WaitingTimestep,
    decode_states,
    encode_states,
    merge_states,
)
from services.associate.storage.transaction import Transaction
from services.associate.storage.waiting_source_cache import StreamWaiting, WaitingSourceCache

__all__ = ["WaitingTables"]


class WaitingTables(Transaction):
    """Tables `waiting_timestep` and `waiting_request`."""

    # What earlier transactions have read; see `Catalogue`.
    _waiting_sources: WaitingSourceCache

    async def load_waiting(self, stream_id: int) -> StreamWaiting:
        """Return what waits in a stream; it holds as long as the stream is locked."""
        known = self._waiting_sources.of_stream(
            stream_id, server_pid=self._connection.get_server_pid()
        )
        timestep_id, version = known.known()
        rows = await self._fetch(
            "select_waiting_changes", stream_id=stream_id, timestep_id=timestep_id, version=version
        )
        for row in rows:
            if row["source_ids"] is None:
                known.forget(row["timestep_id"], row["version"])
            else:
                ids = np.array(row["source_ids"], np.int64)
                undecided = np.array(row["undecided_ids"], np.int64)
                known.learn(row["timestep_id"], row["version"], ids, undecided)
        return known

    async def insert_waiting(
        self, stream_id: int, timestep_id: int, time_start: datetime, row: WaitingRow
    ) -> None:
        """Store the looks of a timestep that are judged later, and its requests."""
        sources, statistics = encode_states(row.before)
        await self._execute(
            "insert_waiting_timestep",
            stream_id=stream_id,
            timestep_id=timestep_id,
            time_start=time_start,
            image_keys=list(row.image_keys),
            source_ids=row.source_ids,
            doubtful_ids=row.doubtful.quiet_ids,
            doubtful_active_ids=row.doubtful.active_ids,
            before_ids=row.before.sources["id"],
            before_sources=sources,
            before_statistics=statistics,
            retracted_ids=list(row.retracted),
            retraction_reasons=list(row.retracted.values()),
            request_image_key=list(row.requests),
            request_source_ids=[
                "{" + ",".join(map(str, ids.tolist())) + "}" for ids in row.requests.values()
            ],
        )

    async def answer_requests(
        self, stream_id: int, answers: Sequence[tuple[str, IntArray]]
    ) -> None:
        """Note that images, by their sha256, were measured at some sources."""
        await self._execute(
            "answer_request",
            stream_id=stream_id,
            image_id=[image_id for image_id, ids in answers for _ in range(ids.size)],
            source_id=np.concatenate([ids for _, ids in answers]),
        )
        await self._execute("delete_answered_requests", stream_id=stream_id)

    async def load_unanswered(
        self, stream_id: int, source_ids: Sequence[int]
    ) -> list[UnansweredRequest]:
        """Return the requests that some sources have no answer to."""
        rows = await self._fetch(
            "select_unanswered", stream_id=stream_id, source_id=list(source_ids)
        )
        return [
            UnansweredRequest(row["timestep_id"], row["image_id"], frozenset(row["source_ids"]))
            for row in rows
        ]

    async def load_unasked(self, stream_id: int, image_id: str, source_ids: IntArray) -> list[int]:
        """Return those of some sources at which no look of an image waits."""
        rows = await self._fetch(
            "select_unasked", stream_id=stream_id, image_id=image_id, source_id=source_ids
        )
        return [row["source_id"] for row in rows]

    async def give_up_requests(self, stream_id: int, n_timesteps: int) -> list[int]:
        """Wait no longer for answers of all but the last timesteps; return what waits there."""
        rows = await self._fetch("give_up_requests", stream_id=stream_id, n_timesteps=n_timesteps)
        return [row["source_ids"] for row in rows]

    async def load_waiting_timesteps(
        self, stream_id: int, source_ids: Sequence[int]
    ) -> list[WaitingTimestep]:
        """Return the timesteps in which looks at some sources wait, in their order."""
        rows = await self._fetch(
            "select_waiting_timesteps", stream_id=stream_id, source_id=list(source_ids)
        )
        return [_to_waiting_timestep(row) for row in rows]

    async def load_pending_look_backs(
        self, stream_id: int, source_ids: Sequence[int]
    ) -> list[int]:
        """Return those of some sources that wait for what earlier images show."""
        rows = await self._fetch(
            "select_pending_look_backs", stream_id=stream_id, source_id=list(source_ids)
        )
        return [row["source_id"] for row in rows]

    async def load_states_before(
        self, stream_id: int, looks: Sequence[tuple[int, IntArray]]
    ) -> dict[int, EarlierStates]:
        """Return sources that timesteps look at, as before later ones changed them.

        Parameters
        ----------
        stream_id : int
            The stream.
        looks : sequence of (int, (n,) int64)
            Timesteps and the sources that each looks at.

        Returns
        -------
        mapping
            By timestep, those of its sources that were changed later.
        """
        rows = await self._fetch(
            "select_states_before",
            stream_id=stream_id,
            timestep_id=[number for number, ids in looks for _ in range(ids.size)],
            source_id=np.concatenate([ids for _, ids in looks]),
        )
        states: dict[int, list[EarlierStates]] = {number: [] for number, _ in looks}
        for row in rows:
            state = decode_states(row["before_sources"], row["before_statistics"])
            states[row["timestep_id"]].append(state)
        return {number: merge_states(states[number], ids) for number, ids in looks}

    async def load_looks(
        self, stream_id: int, images: Sequence[MeasuredImage], source_ids: IntArray
    ) -> LookRows:
        """Return what images have measured at sources, in order of source and image."""
        times = [image.record.metadata.time_start for image in images if image.record.metadata]
        rows = await self._fetch(
            "select_looks",
            stream_id=stream_id,
            image_key=[image.image_key for image in images],
            from_time=min(times),
            to_time=max(times),
            source_id=source_ids,
        )
        rows.sort(key=lambda row: (row["source_id"], row["image_key"], row["source_number"]))
        return LookRows(
            source_id=np.array([row["source_id"] for row in rows], np.int64),
            image_key=np.array([row["image_key"] for row in rows], np.int64),
            source_number=np.array([row["source_number"] for row in rows], np.int64),
            extraction_type=[row["extraction_type"] for row in rows],
            is_shared=[row["is_shared"] for row in rows],
            columns={
                name: np.array(
                    [row[name] for row in rows],
                    np.int64 if name == "quality_flags" else np.float64,
                )
                for name in MEASURED_COLUMNS
            },
        )

    async def mark_looks_judged(self, stream_id: int, judged: Sequence[ReadyLooks]) -> None:
        """Note that looks of timesteps are judged."""
        await self._execute(
            "mark_looks_judged",
            stream_id=stream_id,
            timestep_id=[each.timestep.timestep_id for each in judged for _ in each.source_ids],
            source_id=[source_id for each in judged for source_id in each.source_ids],
        )

    async def delete_judged_timesteps(self, stream_id: int) -> None:
        """Delete the timesteps that are judged and that nothing before them needs."""
        await self._execute("delete_judged_timesteps", stream_id=stream_id)


def _to_waiting_timestep(row: asyncpg.Record) -> WaitingTimestep:
    doubtful = Doubtful(
        np.array(row["doubtful_ids"], np.int64), np.array(row["doubtful_active_ids"], np.int64)
    )
    return WaitingTimestep(
        row["timestep_id"],
        row["time_start"],
        tuple(row["image_keys"]),
        frozenset(row["source_ids"]),
        frozenset(doubtful.all_ids().tolist()),
        frozenset(row["unanswered_ids"]),
        dict(zip(row["retracted_ids"], row["retraction_reasons"], strict=True)),
        doubtful,
    )
