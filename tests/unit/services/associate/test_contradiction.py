"""What other bands say about a burst that one image has detected."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runtime.settings import AssociateSettings
from services.associate.models.catalogue import BandFlux
from services.associate.models.contradictions import BandImage, RetractionCandidate, StreamBands
from services.associate.steps.contradiction import arrival_window, is_due, judge
from sky.dispersion import dispersion_delay_s
from tests.support.records import START, image
from tests.support.vtp_events import source_event

BANDS_HZ = (124e6, 145e6, 165e6, 185e6)
RMS_JY, THRESHOLD_SIGMA = 1e-3, 8.0
SETTINGS = AssociateSettings(max_dm_pc_cm3=100.0)
CENTRE = (123.0, 10.0)


@dataclass(frozen=True)
class Burst:
    """A burst as it arrives at the highest band, at a power-law spectrum."""

    dm: float
    snr: float
    index: float
    phase: float
    exposure_s: float = 1.0

    def flux(self, freq_hz: float) -> float:
        return RMS_JY * self.snr * (freq_hz / BANDS_HZ[-1]) ** self.index

    def arrival_s(self, freq_hz: float) -> float:
        return self.phase + dispersion_delay_s(self.dm, freq_hz, BANDS_HZ[-1])

    def step(self, freq_hz: float) -> int:
        return int(self.arrival_s(freq_hz) // self.exposure_s)


def candidate_of(burst: Burst, freq_hz: float) -> RetractionCandidate:
    return RetractionCandidate(
        last_event=source_event(ra=CENTRE[0], dec=CENTRE[1]),
        stream_id=1,
        band_id=BANDS_HZ.index(freq_hz),
        time_start=START + timedelta(seconds=burst.step(freq_hz) * burst.exposure_s),
        exposure_s=burst.exposure_s,
        detected=BandFlux(burst.flux(freq_hz), RMS_JY, freq_hz, "I"),
    )


def images_of(
    burst: Burst, detected_hz: float, *, last_step: int, has_flux: bool = True
) -> list[BandImage]:
    """Return the images of the other bands; forced photometry begins with the detection."""
    metadata = image(0, centre=CENTRE).metadata
    assert metadata is not None
    first_forced = burst.step(detected_hz)
    return [
        BandImage(
            band_id=number,
            freq_eff_hz=freq_hz,
            stokes="I",
            time_start=START + timedelta(seconds=step * burst.exposure_s),
            exposure_s=burst.exposure_s,
            forced=BandFlux(
                burst.flux(freq_hz) if has_flux and step == burst.step(freq_hz) else 0.0,
                RMS_JY, freq_hz, "I",
            ) if step >= first_forced else None,
            is_gap=False,
            limit_jy_beam=THRESHOLD_SIGMA * RMS_JY,
            rms_jy_beam=RMS_JY,
            wcs_header=metadata.wcs_header,
            shape=(metadata.height_px, metadata.width_px),
            margin_px=0,
        )
        for number, freq_hz in enumerate(BANDS_HZ)
        for step in range(first_forced - 40, last_step + 1)
        if freq_hz != detected_hz
    ]  # fmt: skip


bursts = st.builds(
    Burst,
    dm=st.floats(0, 100),
    snr=st.floats(30, 50),
    index=st.floats(-4.9, 4.9),
    phase=st.floats(0.0, 0.999),
    exposure_s=st.sampled_from([1.0, 2.0, 8.0]),
)


@given(burst=bursts)
def test_a_dispersed_burst_is_contradicted_by_no_band(burst: Burst) -> None:
    # The band of the highest frequency that detects it creates the source.
    detecting = [hz for hz in BANDS_HZ if burst.flux(hz) > THRESHOLD_SIGMA * RMS_JY]
    assume(detecting)
    first_hz = min(detecting, key=burst.arrival_s)
    images = images_of(burst, first_hz, last_step=burst.step(first_hz) + 40)
    assert judge(candidate_of(burst, first_hz), images, SETTINGS).conflict is None


@given(
    snr=st.floats(30, 50),
    freq_hz=st.sampled_from(BANDS_HZ),
    exposure_s=st.sampled_from([1.0, 2.0, 8.0]),
)
def test_interference_in_one_band_is_contradicted(
    snr: float, freq_hz: float, exposure_s: float
) -> None:
    burst = Burst(0.0, snr, 0.0, 0.0, exposure_s)
    images = images_of(burst, freq_hz, last_step=40, has_flux=False)
    assert judge(candidate_of(burst, freq_hz), images, SETTINGS).conflict is not None


@given(burst=bursts, max_dm=st.floats(0, 1000), freq_hz=st.sampled_from(BANDS_HZ))
def test_it_is_due_when_the_lowest_band_has_been_seen_long_enough(
    burst: Burst, max_dm: float, freq_hz: float
) -> None:
    candidate = candidate_of(burst, freq_hz)
    delay_s = max(dispersion_delay_s(max_dm, BANDS_HZ[0], freq_hz), 0.0)
    reached = candidate.time_start + timedelta(seconds=delay_s)
    _, end = arrival_window(candidate, BANDS_HZ[0], max_dm)
    assert end == reached + timedelta(seconds=burst.exposure_s)
    before = reached - timedelta(seconds=0.02 * burst.exposure_s)
    assert is_due(candidate, StreamBands(BANDS_HZ, reached), max_dm)
    assert not is_due(candidate, StreamBands(BANDS_HZ, before), max_dm)
    assert not is_due(candidate, StreamBands(BANDS_HZ, None), max_dm)


def test_an_answer_that_is_missing_is_waited_for() -> None:
    burst = Burst(0.0, 40.0, 0.0, 0.0)
    images = images_of(burst, BANDS_HZ[-1], last_step=20, has_flux=False)
    missing = next(n for n, each in enumerate(images) if each.forced is not None)
    images[missing] = replace(images[missing], forced=None)
    verdict = judge(candidate_of(burst, BANDS_HZ[-1]), images, SETTINGS)
    assert not verdict.is_final
    images[missing] = replace(images[missing], is_gap=True)
    verdict = judge(candidate_of(burst, BANDS_HZ[-1]), images, SETTINGS)
    assert verdict.is_final
    assert verdict.conflict is not None


def test_at_dm_0_only_the_images_of_the_same_time_count() -> None:
    burst = Burst(50.0, 40.0, 0.0, 0.5)
    off = AssociateSettings(max_dm_pc_cm3=0.0)
    images = images_of(burst, BANDS_HZ[-1], last_step=20)
    verdict = judge(candidate_of(burst, BANDS_HZ[-1]), images, off)
    assert verdict.conflict is not None
    assert "at the same time" in verdict.conflict.reason


def test_the_reason_names_the_images_of_the_band() -> None:
    burst = Burst(0.0, 40.0, 0.0, 0.0)
    images = images_of(burst, BANDS_HZ[-1], last_step=20, has_flux=False)
    conflict = judge(candidate_of(burst, BANDS_HZ[-1]), images, SETTINGS).conflict
    assert conflict is not None
    assert conflict.reason.startswith(
        "forced photometry at 145.0 MHz in 9 images of 9.0 s, the brightest: "
    )
    assert conflict.significance_sigma == pytest.approx(8.2, abs=0.05)
