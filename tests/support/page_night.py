"""A night in a database, the same in every run: rows, pixels and a clock that stands still."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import numpy as np
from astropy import units
from astropy_healpix import HEALPix
from scipy.ndimage import gaussian_filter

from runtime.kafka import (
    OutMessage,
    create_producer,
    ensure_topics,
    fetch_cluster_id,
    produce_and_locate,
)
from runtime.settings import KafkaSettings
from schemas.identity import digest_image
from schemas.topics import Topics
from services.extract.steps.stamp_file import to_stamp_file
from sky.cutout import Cutout
from sky.fits import parse_fits
from sky.header.celestial import to_wcs_header
from tests.support.api_rows import START, Rows
from tests.support.fits_images import make
from tests.support.records import wcs_header

__all__ = ["NOW", "add_night", "stop_clock"]

# The clock of the database and of the browser.
NOW = START + timedelta(seconds=10 * 40)
N_STEPS = 40
BANDS_HZ = (120e6, 150e6)
SIDE_PX, CELL_DEG = 200, 0.02
CENTRE = (10.0, 10.0)
BEAM_DEG = 0.08
NOISE_JY = 1e-3
N_STEADY = 60
# Steps of which Kafka has the pixels.
KEPT = range(8, N_STEPS)
_NAMES = ("burst", "flare", "fading")


async def stop_clock(postgres_url: str) -> None:
    """Let `now()` of a database stand still at `NOW`."""
    name = urlsplit(postgres_url).path.lstrip("/")
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(
        "create schema standing_clock;"
        "create function standing_clock.now() returns timestamptz language sql stable "
        f"as $$ select timestamptz '{NOW.isoformat()}' $$;"
        # What comes before pg_catalog hides it.
        f"alter database {name} set search_path = standing_clock, pg_catalog, public"
    )
    await connection.close()


def _source_places() -> np.ndarray:
    """Return pixels, from 0, of the steady sources and of those that vary, (n, 2)."""
    rng = np.random.default_rng(7)
    return rng.uniform(12, SIDE_PX - 12, (N_STEADY + len(_NAMES), 2)).round(1)


def _flux_jy(number: int, step: int) -> float:
    """Return the flux density of a source at a step [Jy]."""
    steady = 0.012 * 1.07 ** (number % 40)
    variable = {
        N_STEADY: 0.0 if step < 24 else 0.09 * np.exp(-(step - 24) / 9),
        N_STEADY + 1: 0.03 + 0.05 * np.exp(-(((step - 30) / 3) ** 2)),
        N_STEADY + 2: 0.06 * np.exp(-step / 12),
    }
    return float(variable.get(number, steady))


def _pixels(step: int, freq_eff_hz: float) -> np.ndarray:
    """Return an image of the field [Jy/beam], (SIDE_PX, SIDE_PX)."""
    sigma_px = BEAM_DEG / CELL_DEG / 2.3548
    rng = np.random.default_rng(int(step + freq_eff_hz / 1e6))
    noise = gaussian_filter(rng.normal(size=(SIDE_PX, SIDE_PX)), sigma_px)
    image = noise / noise.std() * NOISE_JY
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
    for number, (x, y) in enumerate(_source_places()):
        squared = (columns - x) ** 2 + (rows - y) ** 2
        image += _flux_jy(number, step) * np.exp(-squared / (2 * sigma_px**2))
    return np.asarray(image, np.float32)


def _fits(step: int, freq_eff_hz: float) -> bytes:
    start = START + timedelta(seconds=10 * step)
    return make(
        _pixels(step, freq_eff_hz),
        CRVAL1=CENTRE[0], CRVAL2=CENTRE[1], CRPIX1=SIDE_PX / 2 + 0.5, CRPIX2=SIDE_PX / 2 + 0.5,
        CDELT1=-CELL_DEG, CDELT2=CELL_DEG, BMAJ=BEAM_DEG, BMIN=0.8 * BEAM_DEG, BPA=30.0,
        RESTFRQ=freq_eff_hz, **{"DATE-OBS": f"{start:%Y-%m-%dT%H:%M:%S}"},
    )  # fmt: skip


def _place(x: float, y: float) -> tuple[float, float]:
    """Return the position of a pixel [deg], near enough for so small a field."""
    dec = CENTRE[1] + (y - SIDE_PX / 2 + 0.5) * CELL_DEG
    ra = CENTRE[0] - (x - SIDE_PX / 2 + 0.5) * CELL_DEG / np.cos(np.radians(dec))
    return float(ra), float(dec)


async def add_night(rows: Rows, kafka: KafkaSettings) -> None:
    """Write forty steps of two bands, their sources, transients, alerts and what was said."""
    rows.stream = "zenith"
    await rows.connection.execute("update stream set name = 'zenith', closed_until = $1", NOW)
    images = await _add_images(rows, kafka)
    sources = await _add_sources(rows, images)
    await _add_transients(rows, images, sources)
    await _add_coverage(rows, images)
    await _add_books(rows)
    await rows.copy_statistics()


async def _add_images(rows: Rows, kafka: KafkaSettings) -> dict[tuple[int, float], int]:
    """Write the images; give their keys by step and band."""
    ensure_topics(kafka)
    producer, topic = create_producer(kafka), Topics(kafka.topic_prefix).images
    cluster_id = fetch_cluster_id(kafka)
    rng = np.random.default_rng(3)
    found = {}
    for step in range(N_STEPS):
        for freq_eff_hz in BANDS_HZ:
            start = START + timedelta(seconds=10 * step)
            is_bad = step % 13 == 5 and freq_eff_hz == BANDS_HZ[0]
            values: dict[str, Any] = {
                "image_id": f"{step:032x}{freq_eff_hz:032.0f}",
                "kafka_offset": -1 - len(found),
            }
            if step in KEPT:
                data = _fits(step, freq_eff_hz)
                _, offset = produce_and_locate(producer, OutMessage(topic, b"z", data, {}))
                values = {
                    "image_id": digest_image(data, {}).image_id,
                    "wcs_header": to_wcs_header(parse_fits(data, {}).header),
                    "kafka_cluster_id": cluster_id, "kafka_topic": topic,
                    "kafka_offset": offset,
                }  # fmt: skip
            sent = start + timedelta(seconds=11)
            noise = float(NOISE_JY * (1.1 + 0.1 * np.sin(step / 5) + 0.03 * rng.normal()))
            found[step, freq_eff_hz] = await rows.image(
                step, freq_eff_hz,
                verdict="rejected" if is_bad else "accepted",
                reasons=["rms_too_high"] if is_bad else [],
                reason_text="rms 0.0091 Jy/beam is above 0.005" if is_bad else None,
                field_ra=CENTRE[0], field_dec=CENTRE[1], field_radius_deg=2.8,
                telescope="AARTFAAC", width_px=SIDE_PX, height_px=SIDE_PX, margin_px=5,
                beam_major_deg=BEAM_DEG, beam_minor_deg=0.8 * BEAM_DEG, beam_pa_deg=30.0,
                rms_jy_beam=9.1e-3 if is_bad else noise, detection_threshold_sigma=8.0,
                n_sources=0 if is_bad else 58 + int(rng.integers(0, 5)),
                rms_grid_cell_px=50, rms_grid_columns=4,
                rms_grid=[noise * (1 + 0.04 * (n % 4) + 0.05 * (n // 4)) for n in range(16)],
                shift_status="solved", n_shift_sources=40,
                shift_east_arcsec=4 * np.sin(step / 7), shift_north_arcsec=3 * np.cos(step / 9),
                shift_err_arcsec=0.8, is_shift_applied=True, flux_status="solved",
                n_flux_sources=40, flux_factor=1 + 0.03 * np.sin(step / 6), flux_factor_err=0.008,
                time_sent=sent, time_appended=sent + timedelta(seconds=0.1),
                time_extracted=sent + timedelta(seconds=0.35 + 0.01 * (step % 7)),
                time_associated=sent + timedelta(seconds=0.5 + 0.02 * (step % 5)),
                **values,
            )  # fmt: skip
    return found


async def _add_sources(rows: Rows, images: dict[tuple[int, float], int]) -> list[int]:
    """Write the catalogue with its light curves; give the ids."""
    rng = np.random.default_rng(5)
    sources = []
    for number, (x, y) in enumerate(_source_places()):
        ra, dec = _place(x, y)
        is_steady = number < N_STEADY
        first = 24 if number == N_STEADY else 0
        spread, scatter = float(rng.normal(0, 0.15)), float(np.exp(rng.normal(0, 0.2)))
        source = await rows.source(
            ra, dec, image=images[first, BANDS_HZ[1]], n_datapoints=2 * (N_STEPS - first),
            eta=np.exp(spread) if is_steady else (310.0, 95.0, 41.0)[number - N_STEADY],
            v=0.06 * scatter if is_steady else (0.9, 0.4, 0.7)[number - N_STEADY],
            is_new=number == N_STEADY, is_variable=number > N_STEADY,
            first_time_start=START + timedelta(seconds=10 * first),
            last_time_start=START + timedelta(seconds=10 * (N_STEPS - 1)),
        )  # fmt: skip
        sources.append(source)
        steps = range(N_STEPS) if not is_steady or number < 4 else (N_STEPS - 2, N_STEPS - 1)
        for step in steps:
            for freq_eff_hz in BANDS_HZ:
                await _add_point(rows, rng, (number, source), (step, freq_eff_hz), images)
        if not is_steady or number < 4:
            await _add_band_statistics(rows, number, source)
    return sources


async def _add_point(
    rows: Rows,
    rng: np.random.Generator,
    of: tuple[int, int],
    at: tuple[int, float],
    images: dict[tuple[int, float], int],
) -> None:
    number, source = of
    true_jy = _flux_jy(number, at[0]) * (at[1] / BANDS_HZ[1]) ** -0.7
    flux_jy = true_jy + float(rng.normal(0, NOISE_JY))
    x, y = _source_places()[number]
    ra, dec = _place(x, y)
    snr = flux_jy / NOISE_JY
    await rows.point(
        source, images[at], flux_jy, flux_peak_jy_beam=0.97 * flux_jy, snr=snr,
        extraction_type="blind" if snr > 8 else "forced",
        ra=ra + float(rng.normal(0, 8e-4)), dec=dec + float(rng.normal(0, 8e-4)),
        ra_err_deg=8e-4, dec_err_deg=8e-4, major_arcsec=300.0, minor_arcsec=240.0, pa_deg=30.0,
    )  # fmt: skip


async def _add_band_statistics(rows: Rows, number: int, source: int) -> None:
    """Write what the associator keeps of each band: sums over the measurements."""
    for freq_eff_hz in BANDS_HZ:
        found = await rows.connection.fetch(
            "select flux_int_jy from detection where source_id = $1 and band_id = $2",
            source, await rows.band(freq_eff_hz),
        )  # fmt: skip
        flux = np.array([each["flux_int_jy"] for each in found])
        weight = flux.size / NOISE_JY**2
        squares = float(((flux - flux.mean()) ** 2).sum())
        await rows.connection.execute(
            "insert into source_band values ($1, $2, 'I', $3, $4, $5, $6, $4, $7, $4, $5, $6, $4,"
            " $7, $8)",
            source, await rows.band(freq_eff_hz), flux.size, float(flux.mean()), squares, weight,
            squares / NOISE_JY**2, float(flux.max()),
        )  # fmt: skip


async def _add_transients(
    rows: Rows, images: dict[tuple[int, float], int], sources: list[int]
) -> None:
    """Write three transients with stamps, alerts, deliveries and annotations."""
    kinds = (("faded", 21, 12.0, 2), ("new_source", 24, 72.0, 0), ("variable", 30, 78.0, 1))
    for kind, step, snr, number in kinds:
        x, y = _source_places()[N_STEADY + number]
        ra, dec = _place(x, y)
        source, image = sources[N_STEADY + number], images[step, BANDS_HZ[1]]
        start = START + timedelta(seconds=10 * step)
        name = f"{_NAMES[number]:x<16}"
        found = {
            "event_id": name * 2, "trig_id": name, "time_start": start, "dec": dec,
            "time_detected": start + timedelta(seconds=11.6), "snr": snr,
            "flux_peak_jy_beam": snr * NOISE_JY, "eta": 310.0, "v": 0.9, "kind": kind,
            "trigger": "snr", "trigger_sigma": snr,
        }  # fmt: skip
        transient = await rows.transient(source, image=image, ra=ra, **found)
        for role, at in (("before", step - 1), ("now", step)):
            stamp = _stamp(x, y, at)
            answered = start + timedelta(seconds=14)
            await rows.stamp(
                transient, role, stamp, time_requested=answered, time_answered=answered
            )
        alert = await rows.alert(
            transient_id=transient, source_id=source, kind=kind, snr=snr, ra=ra,
            dec=dec, time_start=start, time_alert=start + timedelta(seconds=11.9), trig_id=name,
            ivorn=f"ivo://org.livetrap.test/zenith#{name}.0", event_id=name * 2,
            flux_peak_jy_beam=snr * NOISE_JY, latency_s=0.7 + 0.1 * number,
            time_published=start + timedelta(seconds=11.9),
        )  # fmt: skip
        await _add_deliveries(rows, alert, start)
    values = {
        "source_id": sources[N_STEADY], "classification": "transient", "origin": "human",
        "note": "no counterpart in the survey", "actor": "anna",
        "time_created": NOW - timedelta(seconds=60),
    }  # fmt: skip
    await rows.one("source_classification", **values)


def _stamp(x: float, y: float, step: int) -> bytes:
    pixels = np.pad(_pixels(step, BANDS_HZ[1]), 40, constant_values=np.nan)
    row, column = round(y) + 40, round(x) + 40
    cut = pixels[row - 32 : row + 33, column - 32 : column + 33]
    return to_stamp_file(Cutout(cut, 0, 0, wcs_header(*_place(x, y), 65, CELL_DEG)), {})


async def _add_deliveries(rows: Rows, alert: int, start: datetime) -> None:
    sent = start + timedelta(seconds=12)
    deliveries = (("kafka", "transients-v1", 0.01), ("vtp", "observatory-a", 0.04))
    await rows.connection.executemany(
        "insert into delivery values ($1, $2, $3, $4, $5)",
        [(alert, channel, name, sent, sent + timedelta(seconds=after_s))
         for channel, name, after_s in deliveries],
    )  # fmt: skip


async def _add_coverage(rows: Rows, images: dict[tuple[int, float], int]) -> None:
    healpix = HEALPix(nside=2**7, order="nested")
    cells = healpix.cone_search_lonlat(
        CENTRE[0] * units.deg, CENTRE[1] * units.deg, 2.6 * units.deg
    )
    ra, dec = healpix.healpix_to_lonlat(cells)
    apart = np.hypot((ra.deg - CENTRE[0]) * np.cos(dec.rad), dec.deg - CENTRE[1])
    for freq_eff_hz in BANDS_HZ:
        await rows.connection.executemany(
            "insert into sky_coverage values ($1, 'I', $2, $3, $4)",
            [(await rows.band(freq_eff_hz), 4 * 4**7 + int(cell), images[20, freq_eff_hz],
              float(NOISE_JY * np.exp((off / 2.6) ** 2)))
             for cell, off in zip(cells, apart, strict=True)],
        )  # fmt: skip


async def _add_books(rows: Rows) -> None:
    """Write the accounting of images, and which bands a timestep waits for."""
    newest = START + timedelta(seconds=10 * (N_STEPS - 1))
    await rows.connection.executemany(
        "insert into expected_channel values ($1, 'I', $2, 0)",
        [(await rows.band(freq_eff_hz), newest) for freq_eff_hz in BANDS_HZ],
    )
    await rows.connection.executemany(
        "insert into timestep (stream_id, time_start, is_late, n_images, time_associated)"
        " values ($1, $2::timestamptz, false, 2, $2::timestamptz + interval '11.5 seconds')",
        [(rows.stream_id, START + timedelta(seconds=10 * step)) for step in range(N_STEPS)],
    )
    n_bad = len([step for step in range(N_STEPS) if step % 13 == 5])
    await rows.connection.executemany(
        "insert into ledger_total values ('zenith', $1, $2, $3)",
        [("processed", "", 2 * N_STEPS - n_bad), ("rejected", "rms_too_high", n_bad),
         ("duplicate", "", 2)],
    )  # fmt: skip
