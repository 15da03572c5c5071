"""What a timestep cannot do without: its round trips, and the bare writing of its rows.

``python -m benchmarks.bench_floor`` takes a minute. The statements do nothing but travel; the rows
are rewritten as they are, and inserted from a copy, within transactions that are undone.
"""

import argparse
import asyncio
import os

import asyncpg
import numpy as np

from benchmarks import associate_sky
from benchmarks.bench_associate import Meter, open_pool, postgres
from livetrap.database.migrations import migrate
from runtime.postgres import lend_connection

# Statements of a timestep of one image, with those that open and close its transactions.
N_STATEMENTS = 34
_DETECTIONS = """
create unlogged table bare as
select number, 0.02::float8 as a, 0.02::float8 as b, 1e-3::float8 as c, 1e-3::float8 as d,
    40::float8 as e, 52::float8 as f, now() as g, 1::bigint as h
from generate_series(1, {n}) as number;
create table bare_target (like bare);
create index on bare_target (h, number);
create index on bare_target (number);
"""
_ROWS = {
    "sources rewritten": "update source set eta = eta where id = any($1::bigint[])",
    "statistics rewritten": "update source_band set flux_int_m2 = flux_int_m2 "
    "where source_id = any($1::bigint[])",
    "sources counted": "select count(*) from source where id = any($1::bigint[])",
    "statistics counted": "select count(*) from source_band where source_id = any($1::bigint[])",
    "rows inserted": "insert into bare_target select * from bare "
    "where number <= cardinality($1::bigint[])",
}


async def measure(url: str, n_sources: int, n_rows: int, n_rounds: int) -> None:
    """Print medians of both, in turn."""
    await asyncio.to_thread(migrate, url)
    connection = await asyncpg.connect(url)
    await associate_sky.fill_catalogue(connection, n_sources)
    await connection.execute(_DETECTIONS.format(n=n_rows))
    field = await associate_sky.find_field(connection, n_rows)
    ids = np.array(
        [
            row["id"]
            for row in await connection.fetch(
                "select id from source where dec between $1 and $2 order by id limit $3",
                float(field.dec.min()), float(field.dec.max()), n_rows,
            )
        ]
    )  # fmt: skip
    await connection.close()
    pool = await open_pool(url)
    names = ["round trips", *_ROWS]
    spent: dict[str, list[Meter]] = {name: [] for name in names}
    for _ in range(n_rounds):
        for name in names:
            spent[name].append(await _measure_one(pool, name, ids))
    await pool.close()
    print(f"{len(ids)} rows of {n_sources} sources, {N_STATEMENTS} statements, {n_rounds} rounds")
    for name, readings in spent.items():
        client, server = (
            1000 * float(np.median([getattr(each, of) for each in readings[n_rounds // 5 :]]))
            for of in ("client_s", "server_s")
        )
        print(f"{name:22s} client {client:6.2f}  server {server:6.2f} [ms]")
    print(f"load {os.getloadavg()[0]:.1f}")


async def _measure_one(pool: asyncpg.Pool, name: str, ids: np.ndarray) -> Meter:
    """Return what one part takes; its rows are as before."""
    async with lend_connection(pool) as connection:
        backend = connection.get_server_pid()
        before = Meter.read(backend)
        transaction = connection.transaction()
        await transaction.start()
        if name == "round trips":
            # The transaction itself has two of them.
            for _ in range(N_STATEMENTS - 2):
                await connection.fetch("select $1::int as one", 1)
        else:
            await connection.fetch(_ROWS[name], ids)
        await transaction.rollback()
        return Meter.read(backend) - before


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sources", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} before the start")
    with postgres() as (url, _):
        asyncio.run(measure(url, options.sources, options.rows, options.rounds))


if __name__ == "__main__":
    main()
