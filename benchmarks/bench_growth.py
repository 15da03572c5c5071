"""How the running catalogue grows: true sources, and false peaks in every image.

Records go through the associator as it is, into a PostgreSQL of its own; forced photometry and
looks back measure the true sources and noise. ``python -m benchmarks.bench_growth --steps 500``
takes some minutes.
"""

import argparse
import asyncio
import os
import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import psutil

from benchmarks.bench_associate import postgres, postgres_cpu_s
from livetrap.database.migrations import migrate
from livetrap.stack.foreground import stop_requests
from schemas.messages import ForcedMeasurements, ForcedRequest, ImageDetections
from tests.support.association import Associator, associator
from tests.support.forced_results import measure, store
from tests.support.records import image, sources

RMS_JY = 1e-3
THRESHOLD_SIGMA = 8.0
# A tenth of the true sources is missed in each image.
_SHARE_SEEN = 0.9
# A position so far from every true source has nothing; peaks there are their own [deg].
_NEAR_DEG = 0.03
_STATES = ("candidate", "confirmed", "dormant")
FloatArray = npt.NDArray[np.float64]


class GrowingSky:
    """True sources that stay, and false peaks that never come twice.

    Parameters
    ----------
    n_true, n_false : int
        Sources, and false peaks a step [-].
    peak_sigma : (float, float)
        Least and greatest peak of a false one [sigma].
    seed : int
        Of the sky and of the noise.
    """

    def __init__(
        self, n_true: int, n_false: int, *, peak_sigma: tuple[float, float], seed: int
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._true, self._n_false, self._peak_sigma = self._places(n_true), n_false, peak_sigma
        self._flux_jy = self._rng.uniform(12, 100, n_true) * RMS_JY

    def _places(self, n: int) -> FloatArray:
        ra, dec = self._rng.uniform(117, 129, n), self._rng.uniform(4, 16, n)
        return np.stack([ra, dec], axis=1)

    def _empty_places(self, n: int) -> FloatArray:
        places = self._places(4 * n)
        found: FloatArray = places[self._away_deg(places).min(axis=1) > 2 * _NEAR_DEG][:n]
        return found

    def _away_deg(self, places: FloatArray) -> FloatArray:
        """Return the distances of positions from the true sources."""
        away_deg: FloatArray = np.hypot(*(places[:, None] - self._true).transpose(2, 0, 1))
        return away_deg

    async def observe(self, case: Associator, step: int) -> None:
        """Deliver the image of a step, one every 8 s, and the answers to what it asks for."""
        seen = self._rng.random(self._flux_jy.size) < _SHARE_SEEN
        flux_jy = self._flux_jy[seen] + self._rng.normal(0, RMS_JY, int(seen.sum()))
        peaks_jy = self._rng.uniform(*self._peak_sigma, self._n_false) * RMS_JY
        places = np.concatenate([self._true[seen], self._empty_places(self._n_false)])
        measured = sources(
            [(float(ra), float(dec)) for ra, dec in places],
            flux_jy=[*flux_jy.tolist(), *peaks_jy.tolist()],
            flux_err_jy=RMS_JY,
        )
        record = image(step / 10_800, measured, detection_threshold_sigma=THRESHOLD_SIGMA)
        await case.feed(_shorten(record))
        while case.requests:
            for request in [case.requests.pop(0) for _ in range(len(case.requests))]:
                await store(case, self._answer(request))
            await case.settle()

    def _answer(self, request: ForcedRequest) -> ForcedMeasurements:
        """Return what an image has at the positions of a request."""
        result, positions = measure(request), request.positions
        away_deg = self._away_deg(np.stack([positions.ra, positions.dec], axis=1))
        nearest = np.argmin(away_deg, axis=1)
        flux = np.where(away_deg.min(axis=1) < _NEAR_DEG, self._flux_jy[nearest], 0.0)
        flux += self._rng.normal(0, RMS_JY, flux.size)
        return replace(result, measurements=replace(result.measurements, flux_peak_jy_beam=flux))


def _shorten(record: ImageDetections) -> ImageDetections:
    """Return an image of 8 s."""
    metadata = record.metadata
    return (
        record if metadata is None else replace(record, metadata=replace(metadata, exposure_s=8.0))
    )


async def count_states(case: Associator) -> dict[str, int]:
    """Return the sources by state, those that events announced, and those archived."""
    rows = await case.rows(
        "select source_state(source) as state, count(*) as n from source "
        "inner join stream on stream.id = source.stream_id where stream.name = $1 group by 1",
        case.stream,
    )
    found = dict.fromkeys(_STATES, 0) | {row["state"]: row["n"] for row in rows}
    [row] = await case.rows(
        "select (select count(distinct source_id) from transient where stream_id = stream.id) "
        "as announced, (select count(*) from archived_source where stream_id = stream.id) "
        "as archived from stream where name = $1",
        case.stream,
    )
    return found | row


async def measure_growth(url: str, server: int, options: argparse.Namespace) -> None:
    """Print the catalogue as it grows, and what a step costs."""
    await asyncio.to_thread(migrate, url)
    settings = {"lookback_wait_ms": 3_600_000, "lookback_images": options.look_back}
    peak_sigma = tuple(options.peak_sigma)
    sky = GrowingSky(options.true, options.false, peak_sigma=peak_sigma, seed=options.seed)
    print(
        "step  " + "  ".join((*_STATES, "announced", "archived")) + "  catalogue/true  "
        "client  PostgreSQL [ms]  RSS [MB]  load"
    )
    n_part = max(1, options.steps // 10)
    async with associator(url, **settings) as case:
        before_s = _cpu_s(server)
        for step in range(options.steps):
            await sky.observe(case, step)
            case.events.clear()
            if (step + 1) % n_part == 0:
                after_s = _cpu_s(server)
                spent_ms = 1000 * (after_s - before_s) / n_part
                _print_part(step + 1, await count_states(case), options.true, spent_ms)
                before_s = _cpu_s(server)


def _cpu_s(server: int) -> FloatArray:
    """Return the CPU time so far of this process and of PostgreSQL [s]."""
    return np.array([time.process_time(), postgres_cpu_s(server)])


def _print_part(step: int, counts: dict[str, int], n_true: int, spent_ms: FloatArray) -> None:
    kept = sum(counts[state] for state in _STATES)
    rss_mb = psutil.Process().memory_info().rss / 1e6
    print(
        f"{step:4d}  "
        + "  ".join(f"{value:{len(name)}d}" for name, value in counts.items())
        + f"  {kept / n_true:14.2f}  {spent_ms[0]:6.1f}  {spent_ms[1]:15.1f}  {rss_mb:8.1f}"
        f"  {os.getloadavg()[0]:4.1f}",
        flush=True,
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--true", type=int, default=300, help="true sources")
    parser.add_argument("--false", type=int, default=20, help="false peaks a step")
    parser.add_argument("--peak-sigma", type=float, nargs=2, default=[8.0, 8.5])
    parser.add_argument("--look-back", type=int, default=4, help="images; 0: the limit decides")
    parser.add_argument("--seed", type=int, default=15)
    options = parser.parse_args()
    print(f"{options}, load {os.getloadavg()[0]:.1f}")
    with postgres() as (url, server):
        asyncio.run(measure_growth(url, server, options))


if __name__ == "__main__":
    with stop_requests():
        main()
