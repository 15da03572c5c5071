"""A database of any size for the bench of the API: sources, detections, images, transients."""

import time
from dataclasses import dataclass

import asyncpg
import numpy as np

from runtime.sql import load_statement
from services.extract.steps.stamp_file import to_stamp_file
from sky.cutout import Cutout

__all__ = ["LONG_CURVE_POINTS", "STAMP_ID", "STREAM", "Sizes", "fill"]


STREAM = "bench"
LONG_CURVE_POINTS = 10_000
STAMP_ID = "bench-now"
_SIDE_PX = 65
_START = "2026-01-01T00:00:00Z"
_SECONDS_OF_A_MONTH = 28 * 86_400

# The rows are right by construction: the checks of millions of references are left out.
_STATEMENTS = {
    "streams": """
set session_replication_role = replica;
select setseed(0.5);
insert into stream (name) values ('{stream}'), ('rare');
insert into band (stream_id, freq_eff_hz, freq_bw_hz)
select id, 150e6, 2e6 from stream where name = '{stream}';
select ensure_detection_partition(id, '{start}') from stream where name = '{stream}';
""",
    # One in fifty is rejected; the images of a second stream are the first ones.
    "images": """
insert into image (
    image_id, stream_id, band_id, verdict, reasons, time_start, exposure_s, freq_eff_hz,
    freq_bw_hz, stokes, beam_major_deg, beam_minor_deg, beam_pa_deg, field_ra, field_dec,
    field_radius_deg, width_px, height_px, rms_jy_beam, n_sources, kafka_cluster_id, kafka_topic,
    kafka_partition, kafka_offset, time_sent, time_appended, time_extracted, time_associated
)
select
    encode(sha256(n::text::bytea), 'hex'),
    case when n <= 20 then rare.id else main.id end,
    band.id,
    case when n % 50 = 0 then 'rejected' else 'accepted' end,
    case when n % 50 = 0 then array['too_noisy'] else array[]::text[] end,
    '{start}'::timestamptz + (n - 1) * {step_s} * interval '1 second', 1.0, 150e6, 2e6, 'I',
    0.05, 0.04, 30.0, 40.0, 52.0, 5.0, 1024, 1024,
    case when n % 50 <> 0 then 0.001 * (1 + random()) end, 10, 'bench', 'images-v1', 0, n,
    now(), now(), now(), now()
from generate_series(1, {images}) as n, band, stream as main, stream as rare
where main.name = '{stream}' and rare.name = 'rare';
""",
    "sources": """
insert into source (
    stream_id, zone, search_ra, search_dec, ra, dec, weight_ra, weight_dec, n_datapoints, eta, v,
    first_image_key, first_source_number, first_time_start, last_time_start, is_new
)
select
    stream.id, floor(place.dec / 0.5), place.ra, place.dec, place.ra, place.dec,
    4 / (4 / 3600.0) ^ 2, 4 / (4 / 3600.0) ^ 2, {points}, -ln(1 - random()), 0.3 * random(), 1,
    place.number, '{start}', '{start}'::timestamptz + interval '1 day', place.number % 100 = 0
from stream, (
    select number, 360 * random() as ra, asind(2 * random() - 1) as dec
    from generate_series(1, {sources}) as number
) as place
where stream.name = '{stream}'
order by floor(place.dec / 0.5), place.ra;
insert into source_band (
    source_id, band_id, stokes, n_datapoints, flux_int_mean_jy, flux_int_m2, flux_int_weight,
    flux_int_wmean_jy, flux_int_wm2, flux_peak_mean_jy_beam, flux_peak_m2, flux_peak_weight,
    flux_peak_wmean_jy_beam, flux_peak_wm2, flux_int_max_jy
)
select
    source.id, band.id, 'I', {points}, 0.02, 3e-6, 4e6, 0.02, 3, 0.02, 3e-6, 4e6, 0.02, 3, 0.021
from source, band order by source.id;
""",
    # Each image has the next of the sources; the first source is in many images more.
    "detections": """
insert into detection (
    stream_id, image_key, source_number, time_start, source_id, band_id, stokes, extraction_type,
    de_ruiter_radius, ra, dec, ra_err_deg, dec_err_deg, flux_peak_jy_beam, flux_peak_err_jy_beam,
    flux_int_jy, flux_int_err_jy, snr, rms_local_jy_beam, major_arcsec, minor_arcsec, pa_deg,
    quality_flags
)
select
    stream.id, made.image, made.number, '{start}'::timestamptz
    + (made.image - 1) * {step_s} * interval '1 second', made.source, band.id, 'I', 'blind', 0.5,
    40 + made.source % 1000 * 1e-3, 52.0, 1e-3, 1e-3, 0.02, 1e-3, 0.02 + 1e-3 * random(), 1e-3,
    20.0, 1e-3, 200.0, 180.0, 30.0, 0
from band, stream, (
    select (n / {per_image}) % {images} + 1 as image, n % {per_image} as number,
        n % {sources} + 1 as source
    from generate_series(0, {detections} - 1) as n
    union all
    select n, {per_image} + 1, 1 from generate_series(1, {long_curve}) as n
) as made
where stream.name = '{stream}'
order by made.image, made.number;
""",
    "transients": """
insert into transient (
    event_id, trig_id, source_id, stream_id, kind, certainty, state, image_key, source_number,
    time_start, time_detected, ra, dec, ra_err_deg, dec_err_deg, flux_peak_jy_beam, snr, eta, v,
    needs_stamps
)
select
    'event' || source.id, 'trig' || source.id, source.id, source.stream_id, 'new_source',
    'certain', 'active', 1, 0, source.first_time_start, source.first_time_start
    + source.id * interval '1 second', source.ra, source.dec, 1e-3, 1e-3, 0.02, 20.0, 5.0, 0.3,
    false
from source where source.id % 10 = 0;
insert into alert (
    ivorn, trig_id, revision, event_id, alert_type, role, transient_id, source_id, stream, kind,
    ra, dec, snr, flux_peak_jy_beam, time_start, time_alert, voevent, notice, time_published
)
select
    'ivo://bench/livetrap#' || id, trig_id, 0, event_id, 'initial', 'observation', id, source_id,
    '{stream}', kind, ra, dec, snr, flux_peak_jy_beam, time_start, time_detected, '', '{}', now()
from transient order by id;
set session_replication_role = origin;
""",
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows there are of each kind [-]."""

    sources: int
    detections: int
    images: int


async def fill(connection: asyncpg.Connection, sizes: Sizes) -> None:
    """Write the rows, and the copy of the statistics; print how long each kind took."""
    values = {
        "stream": STREAM,
        "start": _START,
        "sources": sizes.sources,
        "detections": sizes.detections,
        "images": sizes.images,
        "points": max(1, sizes.detections // sizes.sources),
        "per_image": max(1, sizes.detections // sizes.images),
        "step_s": _SECONDS_OF_A_MONTH / sizes.images,
        "long_curve": min(LONG_CURVE_POINTS, sizes.images),
    }
    for name, script in _STATEMENTS.items():
        started_s = time.perf_counter()
        for key, value in values.items():
            script = script.replace(f"{{{key}}}", str(value))  # noqa: PLW2901  (one by one)
        await connection.execute(script)
        print(f"{name}: {time.perf_counter() - started_s:.0f} s", flush=True)
    for table in ("source", "source_band", "image", "transient", "alert", "detection"):
        await connection.execute(f"vacuum (analyze) {table}")
    await _store_stamp(connection)
    started_s = time.perf_counter()
    await _copy_statistics(connection, sizes.sources)
    print(f"copy of the statistics: {time.perf_counter() - started_s:.0f} s", flush=True)


async def _copy_statistics(connection: asyncpg.Connection, n_sources: int) -> None:
    """Copy the statistics as the API does, in one go."""
    await connection.fetch(load_statement("api", "refresh_source_statistics").text, n_sources)
    await connection.fetch(load_statement("api", "upsert_statistics_refresh").text)
    await connection.execute("vacuum (analyze) source_statistics")


async def _store_stamp(connection: asyncpg.Connection) -> None:
    """Store a stamp of noise and a source, as the extractor makes it."""
    place = np.hypot(*np.mgrid[-32:33, -32:33])
    noise = np.random.default_rng(1).normal(0, 1e-3, (_SIDE_PX, _SIDE_PX))
    pixels = (noise + 0.02 * np.exp(-((place / 3) ** 2))).astype(np.float32)
    data = to_stamp_file(Cutout(pixels, 0, 0, _WCS), {})
    await connection.execute(_STORE_STAMP, STAMP_ID, data)


_WCS = """\
CTYPE1  = 'RA---SIN'
CTYPE2  = 'DEC--SIN'
CRVAL1  =                 40.0
CRVAL2  =                 52.0
CRPIX1  =                 33.0
CRPIX2  =                 33.0
CDELT1  =                -0.01
CDELT2  =                 0.01"""
_STORE_STAMP = """
with stored as (
    insert into stamp (
        stamp_id, trig_id, role, transient_id, source_id, stream_id, ra, dec, image_key, image_id,
        time_start, freq_eff_hz, stokes, rms_jy_beam, state, n_bytes, time_requested, time_answered
    )
    select
        $1, trig_id, 'now', transient.id, source_id, transient.stream_id, 40.0, 52.0,
        image.image_key, image.image_id, image.time_start, 150e6, 'I', 1e-3, 'stored',
        length($2::bytea), now(), now()
    from transient inner join image on transient.image_key = image.image_key
    order by transient.id limit 1
    returning stamp_id
)
insert into stamp_file (stamp_id, data) select stamp_id, $2 from stored
"""
