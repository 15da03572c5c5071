"""One sky, fed to associators in any order and with answers at any time: what each has stored."""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from schemas.messages import (
    ForcedColumns,
    ForcedMeasurements,
    ForcedRequest,
    ImageDetections,
    SourceEvent,
)
from tests.support.association import Associator, associator
from tests.support.fed_outcome import Outcome, read_outcome
from tests.support.forced_results import store
from tests.support.movers import Mover
from tests.support.records import image, sources

__all__ = ["FedSky", "Feed", "feed_sky"]

_FREQUENCIES_HZ = (120e6, 140e6, 160e6)
_SIGMA_JY = 1e-3
_THRESHOLD_SIGMA = 10.0
_MOVING_SIGMA = 30.0
_FIRST_MOVING_STEP = 3
# What lies farther from every source is noise.
_FAR_DEG = 0.05


@dataclass(frozen=True, slots=True)
class FedSky:
    """A sky of point sources: their places, and their fluxes by timestep and band.

    Parameters
    ----------
    places : (n, 2) float64
        RA and Dec [deg].
    flux_sigma : (steps, bands, n) float64
        Peak fluxes, noise included [sigma].
    peaks : (steps, bands, k, 2) float64
        RA and Dec of peaks of noise that are detected once [deg].
    cadence_s : float
        Time between timesteps [s].
    turns : bool
        Whether every second timestep looks at another field, which has the eastern sources alone.
    movers : tuple of Mover
        Objects that move from the third timestep on, the second one in one band alone.
    """

    places: np.ndarray
    flux_sigma: np.ndarray
    peaks: np.ndarray
    cadence_s: float
    turns: bool
    movers: tuple[Mover, ...] = ()

    @classmethod
    def generate(
        cls,
        seed: int,
        *,
        n_steps: int = 30,
        n_peaks: int = 0,
        cadence_s: float = 86_400.0,
        turns: bool = False,
        moves: bool = False,
        recurs: bool = False,
    ) -> "FedSky":
        """Return steady sources, flares, bursts in one band and in all, fading ones and noise.

        The last source comes and goes beside another one, within its match radius. `recurs`: faint
        sources show up now and then, and peaks of noise share a few places.
        """
        rng = np.random.default_rng(seed)
        n = 12
        ra, dec = np.meshgrid(np.linspace(121.0, 125.0, 4), np.linspace(8.5, 11.5, 3))
        flux = np.zeros((n_steps, len(_FREQUENCIES_HZ), n))
        flux += np.array([30, 30, 30, 12, 11, 10, 25, 25, 15, 0, 0, 0.0])
        for source in (0, 3, 4, 6, 9):  # flares of known places, in all bands or in one
            for start in rng.choice(np.arange(6, n_steps - 4), 2, replace=False):
                bands = slice(None) if rng.random() < 0.5 else int(rng.integers(3))
                flux[start : start + int(rng.integers(1, 4)), bands, source] += rng.uniform(9, 30)
        for source in (7, 8):  # gone for a while, and back
            gone = int(rng.integers(6, n_steps - 11))
            flux[gone : gone + int(rng.integers(4, 10)), :, source] = 0
        flux[int(rng.integers(4, 10)) :, :, 10] = rng.uniform(13, 30)  # a new one that stays
        flux[int(rng.integers(4, n_steps - 2)), int(rng.integers(3)), 11] = 25  # in one band
        beside = 30 * (rng.random((n_steps, 1, 1)) < 1 / 4) * np.ones((1, flux.shape[1], 1))
        flux = np.concatenate([flux, beside], axis=2)
        places = np.stack([ra.ravel(), dec.ravel()], axis=1)
        places = np.concatenate([places, places[2:3] + np.array([0.0, 0.02])])
        if recurs:
            n_faint = 5
            shown = rng.random((n_steps, 1, n_faint)) < 1 / 6
            faint = np.where(shown, rng.uniform(9, 13, n_faint), 0.0)
            flux = np.concatenate([flux, np.repeat(faint, flux.shape[1], axis=1)], axis=2)
            beside = np.stack([np.linspace(121.4, 124.6, n_faint), np.full(n_faint, 9.3)], axis=1)
            places = np.concatenate([places, beside])
        flux += np.clip(rng.normal(size=flux.shape), -3, 3)
        grid = np.stack(np.meshgrid(np.arange(36) / 10, np.arange(26) / 10), axis=-1)
        lattice = grid.reshape(-1, 2) + np.array([121.15, 8.65])
        # Peaks on a line at the same distances would be an object that moves.
        lattice += rng.uniform(-0.03, 0.03, lattice.shape)
        away = np.hypot(*(lattice[:, None] - places).T).min(axis=0) > 2 * _FAR_DEG
        n_all = flux.shape[0] * flux.shape[1] * n_peaks
        peaks = rng.permutation(lattice[away])[:n_all].reshape(*flux.shape[:2], n_peaks, 2)
        if recurs:  # an image has no two at one place
            peaks = peaks[:4].reshape(-1, n_peaks, 2)[rng.integers(0, 12, flux.shape[:2])]
        movers = (Mover(121.2, 8.7, 120.0, 50.0), Mover(124.7, 9.1, 90.0, 300.0))
        return cls(places, flux, peaks, cadence_s, turns, movers if moves else ())

    def moving(self, step: int, band: int) -> list[tuple[float, float]]:
        """Return where movers are in an image."""
        seen = self.movers[: 2 if band == 1 else 1] if step >= _FIRST_MOVING_STEP else ()
        return [each.at(step * self.cadence_s) for each in seen]

    def records(self, step: int) -> list[ImageDetections]:
        """Return the images of a timestep, in ascending frequency."""
        found = []
        is_east = self.turns and step % 2 == 1
        centre = (131.7, 10.0) if is_east else (123.0, 10.0)
        west_deg = 122.0 if is_east else 0.0
        for band, freq_hz in enumerate(_FREQUENCIES_HZ):
            flux = self.flux_sigma[step, band]
            seen = np.flatnonzero((flux >= _THRESHOLD_SIGMA) & (self.places[:, 0] > west_deg))
            peaks = [each for each in self.peaks[step, band].tolist() if each[0] > west_deg]
            moving = self.moving(step, band)
            columns = sources(
                [(ra, dec) for ra, dec in [*self.places[seen].tolist(), *peaks, *moving]],
                flux_jy=[
                    *(flux[seen] * _SIGMA_JY).tolist(),
                    *[11 * _SIGMA_JY] * len(peaks),
                    *[_MOVING_SIGMA * _SIGMA_JY] * len(moving),
                ],
                flux_err_jy=_SIGMA_JY,
            )
            time_days = step * self.cadence_s / 86_400
            record = image(time_days, columns, centre=centre, freq_eff_hz=freq_hz)
            assert record.metadata is not None
            exposure_s = min(300.0, self.cadence_s)
            found.append(replace(record, metadata=replace(record.metadata, exposure_s=exposure_s)))
        return found

    def answer(self, request: ForcedRequest, step: int, band: int) -> ForcedMeasurements:
        """Return what an image shows at the positions of a request; one in 16 is a gap."""
        positions = request.positions
        n = len(positions.extraction_type)
        offsets = np.hypot(
            self.places[:, 0] - positions.ra[:, None], self.places[:, 1] - positions.dec[:, None]
        )
        nearest = np.argmin(offsets, axis=1)
        is_empty = np.min(offsets, axis=1) > _FAR_DEG
        flux = np.where(is_empty, 0.0, self.flux_sigma[step, band, nearest] * _SIGMA_JY)
        for ra, dec in self.moving(step, band):
            is_at = np.hypot(positions.ra - ra, positions.dec - dec) <= _FAR_DEG
            flux = np.where(is_at, _MOVING_SIGMA * _SIGMA_JY, flux)
        chances = [_chance(request.image_id, each) for each in positions.ra.tolist()]
        is_gap = np.array(chances) < 1 / 16
        flux = np.where(is_gap, np.nan, flux)
        return ForcedMeasurements(
            image_id=request.image_id,
            stream=request.stream,
            source=request.source,
            measurements=ForcedColumns(
                position_id=positions.position_id,
                extraction_type=positions.extraction_type,
                ra=positions.ra,
                dec=positions.dec,
                flux_peak_jy_beam=flux,
                flux_peak_err_jy_beam=np.full(n, _SIGMA_JY),
                rms_local_jy_beam=np.full(n, _SIGMA_JY),
                reason=tuple("blank" if each else "" for each in is_gap.tolist()),
            ),
        )


def _chance(image_id: str, ra: float) -> float:
    """Return a number between 0 and 1 that a measurement always has."""
    return hashlib.sha256(f"{image_id}|{ra:.5f}".encode()).digest()[0] / 256


@dataclass(frozen=True, slots=True)
class Feed:
    """When images and answers come.

    Parameters
    ----------
    seed : int
        Of everything below that is by chance.
    lag_steps : int
        Answers come up to so many timesteps late; 0: before the next one.
    shuffles : bool
        Whether the images of a timestep, and the answers that are due, come in any order.
    restarts : bool
        Whether the associator dies before every message.
    repeats : bool
        Whether answers come twice.
    answers : bool
        Whether answers come at all.
    most_together : int
        Answers that are due are stored in batches of chance, of up to so many; 1: one by one.
    """

    seed: int = 0
    lag_steps: int = 0
    shuffles: bool = False
    restarts: bool = False
    repeats: bool = False
    answers: bool = True
    most_together: int = 1


class _Feeder:
    """One run: an associator, and the answers that are under way."""

    def __init__(
        self, sky: FedSky, feed: Feed, open_case: Callable[[], Any], stack: AsyncExitStack
    ) -> None:
        self._sky, self._feed = sky, feed
        self._open_case, self._stack = open_case, stack
        self._rng = np.random.default_rng(feed.seed)
        self._sizes = np.random.default_rng(feed.seed)
        self._images: dict[str, tuple[int, int]] = {}
        self._waiting: list[tuple[int, ForcedRequest]] = []
        self._sent: list[ImageDetections] = []
        self.events: list[SourceEvent] = []
        self.case: Associator

    async def start(self) -> None:
        """Start an associator, which reads again what the one before has not stored."""
        self.case = await self._stack.enter_async_context(self._open_case())
        self.case.deliver(self._sent[self.case.offset :])

    def is_waiting(self) -> bool:
        """Return whether requests have no answer yet."""
        return bool(self._waiting)

    async def _maybe_restart(self) -> None:
        if self._feed.restarts:
            await self._stack.aclose()
            await self.start()

    def _take(self, step: int) -> None:
        """Take events and requests over from the outbox's reader."""
        self.events += self.case.events
        self.case.events.clear()
        for request in self.case.requests if self._feed.answers else ():
            lag = int(self._rng.integers(self._feed.lag_steps + 1)) if self._feed.lag_steps else 0
            self._waiting.append((step + lag, request))
        self.case.requests.clear()

    async def look(self, step: int) -> None:
        """Give one timestep, and the answers that are due."""
        records = self._sky.records(step)
        for band, record in enumerate(records):
            self._images[record.image_id] = (step, band)
        if self._feed.shuffles:
            records = [records[each] for each in self._rng.permutation(len(records))]
        await self._maybe_restart()
        self._sent += records
        await self.case.feed(*records)
        self._take(step)
        await self.answer(step)

    async def answer(self, step: int) -> None:
        """Give the answers that are due, and those to what follows from them at once."""
        while due := [each for each in self._waiting if each[0] <= step]:
            self._waiting = [each for each in self._waiting if each[0] > step]
            if self._feed.shuffles:
                due = [due[each] for each in self._rng.permutation(len(due))]
            for batch in self._split(due):
                await self._maybe_restart()
                results = [
                    self._sky.answer(request, *self._images[request.image_id]) for request in batch
                ]
                await store(self.case, *results)
                self.case.handler.outbox.expect()
                await self.case.settle()
                self._take(step)

    def _split(self, due: list[tuple[int, ForcedRequest]]) -> list[list[ForcedRequest]]:
        """Return the requests in batches; a repeated one may be in the batch of the first."""
        rest = [request for _, request in due for _ in range(1 + self._feed.repeats)]
        batches = []
        while rest:
            n = int(self._sizes.integers(1, self._feed.most_together + 1))
            batches.append(rest[:n])
            rest = rest[n:]
        return batches


async def feed_sky(
    url: str, sky: FedSky, feed: Feed, *, case: str = "", **settings: Any
) -> Outcome:
    """Feed a sky to an associator of its own; return what it has announced and stored."""
    stream = f"fed-{hashlib.sha256(repr((case, feed, settings)).encode()).hexdigest()[:16]}"

    @asynccontextmanager
    async def open_case() -> AsyncIterator[Associator]:
        async with associator(url, name=stream, **settings) as opened:
            yield opened

    async with AsyncExitStack() as stack:
        feeder = _Feeder(sky, feed, open_case, stack)
        await feeder.start()
        n_steps = len(sky.flux_sigma)
        for step in range(n_steps):
            await feeder.look(step)
        step = n_steps
        while feeder.is_waiting():
            await feeder.answer(step := step + 1)
        return await read_outcome(feeder.case, feeder.events)
