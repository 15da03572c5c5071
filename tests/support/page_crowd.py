"""A database with much in it, and with long names and markup, filled by SQL in some seconds."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from services.extract.steps.stamp_file import to_stamp_file
from sky.cutout import Cutout
from tests.support.api_rows import START, Rows, rows_of
from tests.support.page_night import NOW
from tests.support.records import wcs_header

__all__ = ["LONG_NAME", "N_POINTS", "N_SOURCES", "N_TRANSIENTS", "Crowd", "add_crowd"]

N_SOURCES = 100_000
N_TRANSIENTS = 3000
N_POINTS = 10_000
STEP_S = 0.04
# Of so many of the newest transients there are points and stamps: a page of the list.
N_MEASURED = 50
MARKUP = "<img src=x onerror=alert(1)>"
LONG_NAME = MARKUP + "n" * (200 - len(MARKUP))


@dataclass(frozen=True, slots=True)
class Crowd:
    """What is looked at.

    Parameters
    ----------
    variable : int
        Source of `N_POINTS` points.
    named : int
        Transient of the stream with the long name.
    """

    variable: int
    named: int


async def add_crowd(postgres_url: str) -> Crowd:
    """Write all of it."""
    async with rows_of(postgres_url) as rows:
        rows.stream = "zenith"
        await rows.connection.execute("update stream set name = 'zenith', closed_until = $1", NOW)
        await rows.connection.fetchval("select setseed(0.3)")
        image = await _add_images(rows)
        source = await _add_sources(rows, image)
        await _add_curve(rows, source, image)
        await _add_transients(rows, source, image)
        await rows.connection.execute(
            "insert into ledger_total values ('zenith', 'processed', '', $1)", N_POINTS
        )
    async with rows_of(postgres_url) as rows:
        named = await _add_names(rows)
        await rows.copy_statistics()
    return Crowd(source, named)


async def _add_images(rows: Rows) -> int:
    """Write an image for each point of the curve, until now; give the key of the first."""
    first = await rows.image(0, exposure_s=STEP_S, rms_jy_beam=1e-3)
    await rows.connection.execute(
        """
        insert into image (
            image_id, stream_id, band_id, verdict, reasons, time_start, exposure_s, freq_eff_hz,
            freq_bw_hz, stokes, rms_jy_beam, n_sources, kafka_cluster_id, kafka_topic,
            kafka_partition, kafka_offset, time_sent, time_appended, time_extracted,
            time_associated
        )
        select
            md5(n::text) || md5(n::text), stream_id, band_id, verdict, reasons,
            time_start + n * exposure_s * interval '1 second', exposure_s, freq_eff_hz,
            freq_bw_hz, stokes, rms_jy_beam * (1 + 0.1 * random()), 90 + n % 20, kafka_cluster_id,
            kafka_topic, kafka_partition, 100000 + n, time_sent, time_appended, time_extracted,
            time_associated
        from image, generate_series(1, $2::int - 1) as n
        where image_key = $1
        """,
        first, N_POINTS,
    )  # fmt: skip
    return first


async def _add_sources(rows: Rows, image: int) -> int:
    """Write the sources, of which 1 in 300 varies, and their statistics; give the first id."""
    await rows.connection.execute(
        """
        insert into source (
            stream_id, zone, search_ra, search_dec, ra, dec, weight_ra, weight_dec, n_datapoints,
            n_forced, eta, v, is_variable, first_image_key, first_source_number, first_time_start,
            last_time_start
        )
        select
            $1, floor(dec / 0.5), ra, dec, ra, dec, 1.3e7, 1.3e7, 30, 3,
            case when n % 300 = 0 then 10 ^ (1 + 2 * random()) else exp(0.3 * chance) end,
            case when n % 300 = 0 then 0.3 + random() else 0.06 * exp(0.4 * spread) end,
            n % 300 = 0, $2, 0, $3, $3::timestamptz + interval '300 seconds'
        from (
            select
                n,
                5 + 10 * random() as ra,
                5 + 10 * random() as dec,
                sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) as chance,
                sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) as spread
            from generate_series(1, $4::int) as n
        ) as drawn
        """,
        rows.stream_id, image, START, N_SOURCES,
    )  # fmt: skip
    await rows.connection.execute(
        """
        insert into source_statistics
        select
            id, stream_id, n_datapoints, n_forced, eta, v, eta, v, eta, v, eta, v, 0.02, 0.03,
            0.02, 0.02, 0.02, 20, extract(epoch from first_time_start),
            extract(epoch from last_time_start), is_new, is_variable
        from source
        """
    )
    return int(await rows.connection.fetchval("select min(id) from source"))


_INSERT_POINTS = """
    insert into detection (
        stream_id, image_key, source_number, time_start, source_id, band_id, stokes,
        extraction_type, ra, dec, ra_err_deg, dec_err_deg, flux_peak_jy_beam,
        flux_peak_err_jy_beam, flux_int_jy, flux_int_err_jy, snr, rms_local_jy_beam,
        major_arcsec, minor_arcsec, pa_deg, quality_flags
    )
"""


async def _add_curve(rows: Rows, source: int, image: int) -> None:
    """Write a measurement in each image of a source that brightens now and then."""
    await rows.connection.execute(
        _INSERT_POINTS
        + """
        select
            $1, image_key, 1, image.time_start, $2, $3, 'I', 'blind',
            source.ra + 1e-3 * (random() - 0.5), source.dec + 1e-3 * (random() - 0.5),
            1e-3, 1e-3, flux, 1e-3, flux, 1e-3, flux / 1e-3, 1e-3, 200, 180, 0, 0
        from source, image,
            lateral (
                select 0.03 + 0.02 * sin((image_key - $4) / 600.0) ^ 9 + 2e-3 * random() as flux
            ) as m
        where source.id = $2 and image.stream_id = $1
        """,
        rows.stream_id, source, await rows.band(150e6), image,
    )  # fmt: skip
    await rows.connection.execute(
        "update source set n_datapoints = $2, n_forced = 0, eta = 41, v = 0.3,"
        " last_time_start = $3 where id = $1",
        source, N_POINTS, NOW - timedelta(seconds=STEP_S),
    )  # fmt: skip


async def _add_transients(rows: Rows, first: int, image: int) -> None:
    """Write the transients, three seconds apart, and points and a stamp of the newest."""
    await rows.connection.execute(
        """
        insert into transient (
            event_id, trig_id, source_id, stream_id, kind, certainty, state, image_key,
            source_number, time_start, time_detected, ra, dec, ra_err_deg, dec_err_deg,
            flux_peak_jy_beam, snr, eta, v
        )
        select
            md5(n::text), left(md5(n::text), 16), source.id, source.stream_id,
            (array['new_source', 'variable', 'faded', 'vanished', 'moving'])[1 + n % 5],
            'certain', 'active', $2, 0, $3::timestamptz - n * interval '3 seconds',
            $3::timestamptz - n * interval '3 seconds', source.ra, source.dec, 1e-3, 1e-3,
            0.02 + 0.001 * (n % 40), 20 + n % 40, source.eta, source.v
        from generate_series($4::int, 1, -1) as n
        inner join source on source.id = $1 + n
        """,
        first, image + N_POINTS - 1, NOW - timedelta(seconds=10), N_TRANSIENTS,
    )  # fmt: skip
    await rows.connection.execute(
        _INSERT_POINTS
        + """
        select
            $1, image_key, 10 + id, image.time_start, id, $2, 'I', 'blind', ra, dec, 1e-3, 1e-3,
            flux, 1e-3, flux, 1e-3, flux / 1e-3, 1e-3, 200, 180, 0, 0
        from source, image,
            lateral (select 0.02 + 1e-3 * (id % 20) + 2e-3 * random() as flux) as m
        where
            id > $3 and id <= $3 + $4 and image.stream_id = $1 and (image_key - $5) % 400 = 0
        """,
        rows.stream_id, await rows.band(150e6), first, N_MEASURED, image,
    )  # fmt: skip
    await _add_stamps(rows, first + 1, first + N_MEASURED)


async def _add_stamps(rows: Rows, first: int, last: int) -> None:
    """Write the same picture for before and now of the transients of some sources."""
    pixels = np.random.default_rng(1).normal(0, 1e-3, (65, 65)).astype(np.float32)
    pixels[31:34, 31:34] = 0.02
    data = to_stamp_file(Cutout(pixels, 0, 0, wcs_header(10.0, 10.0, 65, 0.01)), {})
    await rows.connection.execute(
        """
        insert into stamp (
            stamp_id, trig_id, role, transient_id, source_id, stream_id, ra, dec, image_key,
            time_start, state, time_requested, time_answered
        )
        select
            trig_id || '-' || role, trig_id, role, id, source_id, stream_id, 10, 10, image_key,
            time_start, 'stored', time_start, time_start
        from transient, unnest(array['before', 'now']) as role
        where source_id between $1 and $2
        """,
        first, last,
    )  # fmt: skip
    await rows.connection.execute(
        "insert into stamp_file (stamp_id, data) select stamp_id, $1 from stamp"
        " where source_id between $2 and $3",
        data, first, last,
    )  # fmt: skip


async def _add_names(rows: Rows) -> int:
    """Write a transient of which all that can be named has a long name; give its id."""
    connection = rows.connection
    await connection.execute(
        "update stream set name = $2 where id = $1", rows.stream_id, LONG_NAME
    )
    rows.stream = LONG_NAME
    images = [
        await rows.image(step, telescope=LONG_NAME, field_ra=80.0, field_dec=10.0)
        for step in range(8)
    ]
    source = await rows.source(
        80.0, 10.0, image=images[0], eta=30.0, v=0.5, is_new=True, n_datapoints=8
    )
    for number, image in enumerate(images):
        await rows.point(source, image, 0.01 * (1 + number % 3), ra=80.0)
    moment = START + timedelta(seconds=80)
    transient = await rows.transient(
        source, image=images[0], ra=80.0, time_start=START,
        time_detected=START - timedelta(days=1), state="retracted", retraction_reason=LONG_NAME,
        trigger=LONG_NAME, trigger_sigma=20.0,
        trig_id="long-name", event_id="long-name",
    )  # fmt: skip
    await _add_stamps(rows, source, source)
    alert = await rows.alert(
        transient_id=transient, source_id=source, time_alert=moment, time_published=moment,
        trig_id="long-name", ivorn=f"ivo://org.livetrap.test/{LONG_NAME}#0",
    )  # fmt: skip
    await connection.execute(
        "insert into delivery values ($1, 'vtp', $2, $3, null)", alert, LONG_NAME, moment
    )
    await rows.one("source_comment", source_id=source, body=LONG_NAME * 3, actor=LONG_NAME,
                   time_created=moment)  # fmt: skip
    catalogue = await rows.one("reference_catalogue", name=LONG_NAME, n_sources=1)
    await connection.execute(
        "insert into reference_source values ($1, 20, 80, 10, $2, 0.05)", catalogue, LONG_NAME
    )
    await connection.execute("insert into ledger_total values ($1, 'processed', '', 8)", LONG_NAME)
    return transient
