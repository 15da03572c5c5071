"""What the answer to a forced request costs the associator, one by one and in batches.

Starts a PostgreSQL of its own in a temporary folder. A stream of two bands is observed while
nobody answers, as in an overload; then all answers come. ``python -m benchmarks.bench_forced``
takes a minute.
"""

import argparse
import asyncio
import os
import uuid

import numpy as np

from benchmarks.bench_associate import Meter, postgres
from livetrap.database.migrations import migrate
from livetrap.stack.foreground import stop_requests
from runtime.kafka import InMessage
from schemas.codec import encode_forced_measurements
from schemas.messages import SourceColumns
from schemas.topics import Topics
from services.associate.handlers.forced_measurements import ForcedMeasurementsHandler, read_result
from services.associate.storage import CatalogueStore
from tests.support.association import Associator, associator
from tests.support.forced_results import measure
from tests.support.records import image, sources

BANDS_HZ = (140e6, 160e6)
PLACES = [(123.0 + 0.2 * number, 10.0) for number in range(9)]
# Constant sources, which noise lifts above the threshold in seven of ten images.
FLUX_JY, ERR_JY, LIMIT_JY = 10.5e-3, 1e-3, 10e-3


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--timesteps", type=int, default=200)
    options = parser.parse_args()
    with postgres() as (url, _):
        print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.2f} before the start")
        print("batch  answers |  client  server  CPU sum [ms an answer] | load")
        for batch in options.batches:
            asyncio.run(measure_batches(url, batch, options.timesteps))


async def measure_batches(url: str, batch: int, n_timesteps: int) -> None:
    """Observe, answer in batches of one size, and print what an answer cost."""
    await asyncio.to_thread(migrate, url)
    async with associator(url, name=f"bench-{uuid.uuid4().hex[:8]}") as case:
        await observe(case, np.random.default_rng(14), n_timesteps)
        messages = [
            InMessage(
                "forced",
                0,
                number,
                b"",
                encode_forced_measurements(measure(request, LIMIT_JY - ERR_JY / 2)),
            )
            for number, request in enumerate(case.requests)
        ]
        await print_cost(case, messages, batch)


async def observe(case: Associator, rng: np.random.Generator, n_timesteps: int) -> None:
    """Look at constant sources around the threshold; requests are not answered."""
    for step in range(n_timesteps):
        await case.feed(*(image(step, see(rng, step), freq_eff_hz=each) for each in BANDS_HZ))


def see(rng: np.random.Generator, step: int) -> SourceColumns:
    """Return what an image detects: all in the first timestep."""
    flux_jy = rng.normal(FLUX_JY, ERR_JY, len(PLACES))
    seen = [number for number, each in enumerate(flux_jy.tolist()) if step == 0 or each > LIMIT_JY]
    return sources(
        [PLACES[number] for number in seen], flux_jy=flux_jy[seen].tolist(), flux_err_jy=ERR_JY
    )


async def print_cost(case: Associator, messages: list[InMessage], batch: int) -> None:
    """Store messages in batches, and print the CPU time of both processes for each."""
    connection = case.pool
    handler = ForcedMeasurementsHandler(
        CatalogueStore(connection), case.settings.associate, Topics()
    )
    backend = await connection.fetchval("select pg_backend_pid()")
    before = Meter.read(backend)
    for first in range(0, len(messages), batch):
        await handler.store([read_result(each) for each in messages[first : first + batch]])
    if backend != await connection.fetchval("select pg_backend_pid()"):
        raise SystemExit("the pool took another connection: fewer timesteps are needed")
    spent = Meter.read(backend) - before
    client, server = (1000 * each / len(messages) for each in (spent.client_s, spent.server_s))
    print(
        f"{batch:5d}  {len(messages):7d} |  {client:6.2f}  {server:6.2f}  {client + server:7.2f} "
        f"{'':14} | {os.getloadavg()[0]:.2f}",
        flush=True,
    )


if __name__ == "__main__":
    with stop_requests():
        main()
