"""The reading and writing of a timestep by the plainest statements, its arrays made before.

Each part is one statement. Where there are several of a kind, one is the service's own, and one
touches the same rows without moving a value: no statement that reads or writes them is cheaper.
"""

import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg
import numpy as np

from runtime.binary_rows import decode_rows, encode_columns
from runtime.sql import Statement, load_statement
from services.associate.models.catalogue import SOURCE_DTYPE, STATISTICS_DTYPE, RowArray
from sky.geometry import Probes

__all__ = ["Part", "Replay", "make_tables"]

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy
Array = np.ndarray

# Width of what a timestep reads of a source and of its light curve, as one value.
STATE_BYTES = SOURCE_DTYPE.itemsize + STATISTICS_DTYPE.itemsize
# Statements of a timestep beside those of a thousand rows, on average.
N_SMALL = 24
_TABLES = f"""
create table floor_state (source_id bigint primary key, state bytea not null)
with (fillfactor = 50, autovacuum_enabled = off);
alter table floor_state alter column state set storage plain;
insert into floor_state select id, decode(repeat('00', {STATE_BYTES}), 'hex')
from source order by id;
create unlogged table floor_unlogged (like source_band including all)
with (fillfactor = 50, autovacuum_enabled = off);
insert into floor_unlogged select * from source_band order by source_id;
vacuum (analyze) floor_state;
vacuum (analyze) floor_unlogged;
checkpoint;
"""  # noqa: S608
_PACKAGE = "services.associate"
_CONSTANTS = ("stream_id", "image_key", "time_start", "band_id", "stokes")


@dataclass(frozen=True, slots=True)
class Part:
    """One statement, by its way; `run` gets the connection and a new key of an image."""

    name: str
    run: Callable[[Connection, int], Awaitable[object]]


async def make_tables(connection: asyncpg.Connection) -> None:
    """Make the tables that are another way to store the same."""
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            await connection.execute(statement)


class Replay:
    """The rows of one timestep, to be read and written again.

    Parameters
    ----------
    boxes : Probes
        Where its candidate sources are searched.
    sources, statistics : (n,) structured
        Its sources, and the rows of its channel, in ascending order of id.
    detections : mapping of (n,) arrays
        Its measurements, by column of table `detection`; and what they have in common.
    """

    def __init__(
        self,
        boxes: Probes,
        sources: RowArray,
        statistics: RowArray,
        detections: dict[str, Any],
    ) -> None:
        self._boxes = boxes
        self._ids = sources["id"].copy()
        values = {name: sources[name].copy() for name in SOURCE_DTYPE.names or ()}
        self._sources = {**values, "eta": values["ra"], "v": values["dec"]}
        names = STATISTICS_DTYPE.names or ()
        self._statistics = {name: statistics[name].copy() for name in names}
        self._detections = detections
        self._versions: list[int] = []

    async def learn_versions(self, connection: Connection) -> None:
        """Note the versions that the rows of the light curves have now."""
        rows = await connection.fetch(
            "select distinct xmin from source_band where source_id = any($1::bigint[])", self._ids
        )
        self._versions = [row["xmin"] for row in rows]

    def parts(self) -> dict[str, list[Part]]:
        """Return the parts by what they do; the service's way is the last of each."""
        return {
            "candidate sources read": self._reads_of_candidates(),
            "statistics read": self._reads_of_statistics(),
            "sources written": self._writes_of_sources(),
            "statistics written": self._writes_of_statistics(),
            "detections written": self._writes_of_detections(),
            "both as one value": [
                Part("read", partial(self._fetch_ids, _STATES)),
                Part("written", self._write_states),
            ],
            "small statements": [Part(f"{N_SMALL} that do nothing", _do_nothing)],
        }

    def _reads_of_candidates(self) -> list[Part]:
        own = load_statement(_PACKAGE, "select_candidates").text
        head, tail = own.index("string_agg("), own.index(") as rows\n")
        counted = own[:head] + "count(*" + own[tail:]
        return [
            Part("rows found", partial(self._search, counted)),
            Part("the service's", partial(self._search, own, dtype=SOURCE_DTYPE)),
        ]

    async def _search(
        self, text: str, connection: Connection, _: int, dtype: np.dtype | None = None
    ) -> None:
        boxes = self._boxes
        found = await connection.fetchval(
            text, self._detections["stream_id"], boxes.zone, boxes.ra_low, boxes.ra_high,
            boxes.dec_low, boxes.dec_high,
        )  # fmt: skip
        if dtype is not None:
            decode_rows(found, dtype)

    def _reads_of_statistics(self) -> list[Part]:
        own = load_statement(_PACKAGE, "select_statistics").text
        columns = ", ".join(f"source_band.{name}" for name in self._statistics)
        source = "from source_band where source_id = any($1::bigint[])"
        return [
            Part("rows found", partial(self._fetch_ids, f"select count(*) {source}")),
            Part("as plain columns", partial(self._fetch_ids, f"select {columns} {source}")),
            Part("those that others wrote", partial(self._fetch_others, source)),
            Part("the service's", self._read_statistics(own)),
        ]

    def _read_statistics(self, text: str) -> Callable[[Connection, int], Awaitable[object]]:
        async def read(connection: Connection, _: int) -> None:
            for row in await connection.fetch(text, self._ids):
                decode_rows(row["rows"], STATISTICS_DTYPE)

        return read

    async def _fetch_ids(self, text: str, connection: Connection, _: int) -> None:
        await connection.fetch(text, self._ids)

    async def _fetch_others(self, source: str, connection: Connection, _: int) -> None:
        """Read the rows that have changed since their versions were noted: none."""
        text = f"select count(*), count(*) filter (where xmin <> all($2::xid[])) {source}"
        await connection.fetch(text, self._ids, self._versions)

    def _writes_of_sources(self) -> list[Part]:
        own = load_statement(_PACKAGE, "update_sources")
        values = {**self._sources, "last_time_start": self._detections["time_start"]}
        names = [each.name for each in own.parameters[:-1]]
        plain = _plain_update("source", "id", {each.name: each.type for each in own.parameters})
        arguments = own.to_arguments({name: values[name] for name in [*names, "last_time_start"]})
        same = "update source set eta = eta where id = any($1::bigint[])"
        return [
            Part("rewritten as they are", partial(self._fetch_ids, same)),
            Part("update from unnest", _run(plain, arguments)),
            Part("the service's", _run(own.text, arguments)),
        ]

    def _writes_of_statistics(self) -> list[Part]:
        own = load_statement(_PACKAGE, "update_statistics")
        names = [each.name for each in own.parameters[2:]]
        channel = {"band_id": self._detections["band_id"], "stokes": self._detections["stokes"]}
        values: dict[str, object] = {name: self._statistics[name] for name in names}
        values["change_state"] = self._statistics["change_state"].tobytes()
        arguments = own.to_arguments({**channel, **values})
        plain = _plain_update(
            "source_band", "source_id",
            {each.name: each.type for each in own.parameters[2:-1]} | {"change_state": "bytea[]"},
        )  # fmt: skip
        plain_arguments = [self._statistics[name] for name in names]
        same = (
            "update source_band set flux_int_m2 = flux_int_m2 where source_id = any($1::bigint[])"
        )
        unlogged = own.text.replace(
            "update source_band\n", "update floor_unlogged as source_band\n"
        )
        return [
            Part("rewritten as they are", partial(self._fetch_ids, same)),
            Part("update from unnest", _run(plain, plain_arguments)),
            Part("the service's, unlogged", _run(unlogged, arguments)),
            Part("the service's", _run(own.text, arguments)),
        ]

    def _writes_of_detections(self) -> list[Part]:
        own = load_statement(_PACKAGE, "insert_detections")
        arrays = [each for each in own.parameters if each.name not in _CONSTANTS]
        columns = ", ".join(each.name for each in arrays)
        taken = ", ".join(f"${n + 6}::{each.type}" for n, each in enumerate(arrays))
        target = f"insert into detection ({', '.join(_CONSTANTS)}, extraction_type, {columns})"
        plain = (
            f"{target} select $1::int, $2::bigint, $3::timestamptz, $4::int, $5::text, 'blind', "  # noqa: S608
            f"row_in.* from unnest({taken}) as row_in ({columns})"
        )
        copied = (
            f"{target} select stream_id, $1::bigint, time_start, band_id, stokes, "  # noqa: S608
            f"extraction_type, {columns} from detection where stream_id = $2::int "
            "and time_start = $3::timestamptz and image_key = $4::bigint order by source_id"
        )
        return [
            Part("copied in the server", partial(self._copy_in_server, copied)),
            Part("insert from unnest", partial(self._insert, plain, own)),
            Part("binary copy", partial(self._copy, [each.name for each in arrays])),
            Part("the service's", partial(self._insert, own.text, own)),
        ]

    async def _insert(self, text: str, own: Statement, connection: Connection, key: int) -> None:
        arguments = own.to_arguments({**self._detections, "image_key": key})
        await connection.execute(text, *arguments)

    async def _copy_in_server(self, text: str, connection: Connection, key: int) -> None:
        names = ("stream_id", "time_start", "image_key")
        await connection.execute(text, key, *(self._detections[name] for name in names))

    async def _copy(self, names: Sequence[str], connection: Connection, key: int) -> None:
        n, known = self._ids.size, self._detections
        time = np.datetime64(known["time_start"].replace(tzinfo=None), "us")
        constants = {
            "stream_id": np.full(n, known["stream_id"], np.int32),
            "image_key": np.full(n, key, np.int64),
            "time_start": np.full(n, time),
            "band_id": np.full(n, known["band_id"], np.int32),
            "stokes": np.full(n, b"I"),
            "extraction_type": np.full(n, b"blind"),
        }
        columns = {**constants, **{name: known[name] for name in names}}
        data = encode_columns([list(columns.values())])
        await connection.copy_to_table(
            "detection", source=io.BytesIO(data), columns=list(columns), format="binary"
        )

    async def _write_states(self, connection: Connection, _: int) -> None:
        await connection.execute(_WRITE_STATES, self._ids, bytes(STATE_BYTES * self._ids.size))


_STATES = (
    "select string_agg(int8send(source_id) || state, '') from floor_state "
    "where source_id = any($1::bigint[])"
)
_WRITE_STATES = f"""
update floor_state
set state = substr($2::bytea, ({STATE_BYTES} * (row_in.place - 1) + 1)::int, {STATE_BYTES})
from unnest($1::bigint[]) with ordinality as row_in (source_id, place)
where floor_state.source_id = any($1::bigint[]) and floor_state.source_id = row_in.source_id
"""  # noqa: S608


def _plain_update(table: str, key: str, types: dict[str, str]) -> str:
    """Return the update of a table from unnested columns; what is no array is one value."""
    columns = [name for name, kind in types.items() if kind.endswith("[]")]
    place = {name: n + 1 for n, name in enumerate(types)}
    arrays = ", ".join(f"${place[name]}::{types[name]}" for name in columns)
    written = [f"{name} = row_in.{name}" for name in columns if name != key]
    written += [f"{name} = ${place[name]}::{types[name]}" for name in types if name not in columns]
    return (
        f"update {table} set {', '.join(written)} from unnest({arrays}) "  # noqa: S608
        f"as row_in ({', '.join(columns)}) where {table}.{key} = row_in.{key}"
    )


def _run(text: str, arguments: Sequence[object]) -> Callable[[Connection, int], Awaitable[object]]:
    async def run(connection: Connection, _: int) -> None:
        await connection.execute(text, *arguments)

    return run


async def _do_nothing(connection: Connection, _: int) -> None:
    for _each in range(N_SMALL):
        await connection.fetch("select $1::int as one", 1)
