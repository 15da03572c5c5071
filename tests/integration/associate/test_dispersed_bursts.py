"""A burst that sweeps through the bands is kept; interference in one band is retracted."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from schemas.messages import ForcedMeasurements, ForcedRequest, ImageDetections
from sky.dispersion import dispersion_delay_s
from tests.support.association import Associator, associator
from tests.support.forced_results import measure, store
from tests.support.records import image, sources

STEADY, HERE = (123.0, 10.0), (123.5, 10.2)
BANDS_HZ = (124e6, 145e6, 165e6, 185e6)
RMS_JY = 1e-3
EXPOSURE_S, N_STEPS, BURST_STEP = 2.5, 10, 2
LIMITS = {"window_timeout_s": 30.0, "max_dm_pc_cm3": 100.0, "update_snr_factor": 100.0}


@dataclass(frozen=True)
class Sky:
    """Fluxes at one place in images of 2.5 s: of a burst, or of interference.

    Parameters
    ----------
    snr : float
        In the band of 185 MHz, or of the interference [sigma].
    index : float
        Of its spectrum [-].
    only_hz : float or None
        The band of interference; None: a burst.
    """

    dm: float
    snr: float
    index: float = 0.0
    only_hz: float | None = None

    def flux_jy(self, step: int, freq_hz: float) -> float:
        if self.only_hz is not None:
            return self.snr * RMS_JY if (freq_hz, step) == (self.only_hz, BURST_STEP) else 0.0
        arrival_s = 6.3 + dispersion_delay_s(self.dm, freq_hz, BANDS_HZ[-1])
        is_here = int(arrival_s / EXPOSURE_S) == step
        return self.snr * RMS_JY * (freq_hz / BANDS_HZ[-1]) ** self.index if is_here else 0.0

    def image(self, step: int, freq_hz: float) -> ImageDetections:
        flux = self.flux_jy(step, freq_hz)
        seen = ([STEADY, HERE], [0.1, flux]) if flux > 10 * RMS_JY else ([STEADY], [0.1])
        record = image(
            step * EXPOSURE_S / 86400,
            sources(seen[0], flux_jy=seen[1], flux_err_jy=RMS_JY),
            freq_eff_hz=freq_hz,
        )
        assert record.metadata is not None
        return replace(record, metadata=replace(record.metadata, exposure_s=EXPOSURE_S))

    def images(self, step: int) -> Iterator[ImageDetections]:
        return (self.image(step, freq_hz) for freq_hz in BANDS_HZ)

    def answer(self, request: ForcedRequest, step: int, freq_hz: float) -> ForcedMeasurements:
        result = measure(request)
        flux = np.where(
            np.abs(request.positions.ra - HERE[0]) < 0.1, self.flux_jy(step, freq_hz), 0.1
        )
        return replace(result, measurements=replace(result.measurements, flux_peak_jy_beam=flux))


async def observe(case: Associator, sky: Sky, n_steps: int, *, delay_steps: int = 0) -> list[int]:
    """Observe a sky; return the steps at whose end a retraction was out."""
    retracted, waiting = [], []
    for step in range(n_steps):
        images = list(sky.images(step))
        await case.feed(*images)
        by_id = {each.image_id: hz for each, hz in zip(images, BANDS_HZ, strict=True)}
        waiting += [(step, by_id[each.image_id], each) for each in case.requests]
        case.requests.clear()
        for answered in [each for each in waiting if each[0] <= step - delay_steps]:
            waiting.remove(answered)
            await store(case, sky.answer(answered[2], answered[0], answered[1]))
        await case.settle()
        if any(event.kind == "retraction" for event in case.events):
            retracted.append(step)
    return retracted


@pytest.mark.parametrize(
    ("dm", "snr", "index", "delay_steps"),
    [(5.0, 30.0, 0.0, 0), (26.8, 40.0, 3.0, 3), (56.8, 50.0, 4.5, 0), (100.0, 35.0, -2.0, 3)],
)
async def test_a_dispersed_burst_is_not_retracted(
    postgres_url: str, dm: float, snr: float, index: float, delay_steps: int
) -> None:
    async with associator(postgres_url, **LIMITS) as case:
        sky = Sky(dm, snr, index)
        assert await observe(case, sky, N_STEPS + delay_steps, delay_steps=delay_steps) == []
        assert [event.kind for event in case.events if event.kind == "new_source"] == [
            "new_source"
        ]


@pytest.mark.parametrize(("freq_hz", "expiration"), [(124e6, 10), (185e6, 2)])
async def test_interference_in_one_band_is_retracted_when_no_burst_can_come_any_more(
    postgres_url: str, freq_hz: float, expiration: int
) -> None:
    limits = LIMITS | {"expiration_timesteps": expiration}
    async with associator(postgres_url, **limits) as case:
        retracted = await observe(case, Sky(0.0, 40.0, only_hz=freq_hz), N_STEPS)
        latest_s = BURST_STEP * EXPOSURE_S + dispersion_delay_s(100.0, BANDS_HZ[0], freq_hz)
        assert retracted[0] == int(np.ceil(latest_s / EXPOSURE_S - 0.01))
        assert [event.kind for event in case.events] == ["new_source", "retraction"]


async def test_without_dispersion_interference_is_retracted_at_once(postgres_url: str) -> None:
    limits = LIMITS | {"max_dm_pc_cm3": 0.0}
    async with associator(postgres_url, **limits) as case:
        found = await observe(case, Sky(0.0, 40.0, only_hz=165e6), BURST_STEP + 1)
        assert found == [BURST_STEP]
