"""A running catalogue of any size, and images of one field of it, for the associator's bench."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import numpy as np

from schemas.messages import (
    FloatArray,
    ImageDetections,
    ImageMetadata,
    RmsGrid,
    SourceColumns,
    SourceOffset,
    StageTimes,
)
from sky.geometry import move

STREAM = "bench"
FREQ_HZ, BANDWIDTH_HZ = 150e6, 2e6
# With three semi-major axes, the limit of a match is 0.03 deg.
BEAM_MAJOR_DEG = 0.02
FIELD = (40.0, 52.0)
_START = datetime(2026, 1, 1, tzinfo=UTC)
_SHARE_SEEN = 0.95
_N_PX = 1024

_FILL = """
-- The rows are right by construction: the checks of a million references are left out.
set session_replication_role = replica;
select setseed(0.5);
insert into stream (name) values ('{stream}');
insert into band (stream_id, freq_eff_hz, freq_bw_hz) select id, {freq_hz}, {bandwidth_hz}
from stream;
insert into image (
    image_id, stream_id, verdict, reasons, n_sources, kafka_cluster_id, kafka_topic,
    kafka_partition, kafka_offset, time_associated
)
select repeat('0', 64), id, 'accepted', '{}', 0, 'bench', 'images-v1', 0, -1, now() from stream;
-- Four points each, of errors of 4 arcsec; neighbours on the sky are neighbours on the disk, as
-- in a catalogue that grew image by image.
insert into source (
    stream_id, zone, search_ra, search_dec, ra, dec, weight_ra, weight_dec, n_datapoints, eta, v,
    first_image_key, first_source_number, first_time_start, last_time_start
)
select
    stream.id, floor(place.dec / 0.5), place.ra, place.dec, place.ra, place.dec,
    4 / (4 / 3600.0) ^ 2, 4 / (4 / 3600.0) ^ 2, 4, 1, 0.05, image.image_key, place.number,
    '2025-01-01', '2025-01-04'
from stream, image, (
    select number, 360 * random() as ra, asind(2 * random() - 1) as dec
    from generate_series(1, {n}) as number
) as place
order by floor(place.dec / 0.5), place.ra;
insert into source_band (
    source_id, band_id, stokes, n_datapoints, flux_int_mean_jy, flux_int_m2, flux_int_weight,
    flux_int_wmean_jy, flux_int_wm2, flux_peak_mean_jy_beam, flux_peak_m2, flux_peak_weight,
    flux_peak_wmean_jy_beam, flux_peak_wm2, flux_int_max_jy
)
-- Means of four points of 1 mJy each.
select
    source.id, band.id, 'I', 4, mean.jy, 3e-6, 4e6, mean.jy, 3, mean.jy, 3e-6, 4e6, mean.jy, 3,
    0.021
from source, band, lateral (select random_normal(0.02, 5e-4) + 0 * source.id as jy) as mean
order by source.id;
set session_replication_role = origin;
"""
_SETTLE = ("vacuum (analyze) source", "vacuum (analyze) source_band", "checkpoint")


async def fill_catalogue(connection: asyncpg.Connection, n: int) -> None:
    """Write `n` sources all over the sky, with the light-curve statistics of one channel."""
    values = {
        "stream": STREAM, "freq_hz": FREQ_HZ, "bandwidth_hz": BANDWIDTH_HZ, "n": n,
    }  # fmt: skip
    script = _FILL
    for name, value in values.items():
        script = script.replace(f"{{{name}}}", str(value))
    for statement in (script, *_SETTLE):
        await connection.execute(statement)


@dataclass(frozen=True, slots=True)
class Field:
    """The sources of one field of view, and how wide it is [deg]."""

    ra: FloatArray
    dec: FloatArray
    radius_deg: float


async def find_field(connection: asyncpg.Connection, n_detections: int) -> Field:
    """Return the field that shows about `n_detections` of the catalogue's sources."""
    rows = await connection.fetch(
        "select ra, dec, acosd(least(1, sind(dec) * sind($2) + cosd(dec) * cosd($2) "
        "* cosd(ra - $1))) as away from source order by away limit $3",
        *FIELD,
        round(n_detections / _SHARE_SEEN),
    )
    ra, dec, away = (np.array([row[name] for row in rows]) for name in ("ra", "dec", "away"))
    return Field(ra, dec, float(max(away[-1], 1.0)))


class Sky:
    """Images of one field, one after another.

    Parameters
    ----------
    field : Field
        Its sources; each is seen in 95 of 100 images.
    n_new : int
        Sources that nobody has seen before, in every tenth image.
    run : int
        Images of a later run are later.
    """

    def __init__(self, field: Field, *, n_new: int, run: int) -> None:
        self._field = field
        self._n_new = n_new
        self._run = run
        self._rng = np.random.default_rng(1)
        self._step = 0

    def next_image(self) -> ImageDetections:
        """Return the record of the next image, a second after the one before."""
        self._step += 1
        time_start = _START + timedelta(hours=self._run, seconds=self._step)
        return ImageDetections(
            image_id=f"{self._run:032x}{self._step:032x}",
            stream=STREAM,
            source=SourceOffset("bench", "images-v1", self._run, self._step),
            verdict="accepted",
            metadata=self._metadata(time_start),
            rms_jy_beam=1e-3,
            detection_threshold_sigma=8.0,
            margin_px=10,
            rms_grid=RmsGrid(50, np.full((_N_PX // 50, _N_PX // 50), 1e-3)),
            sources=self.measure(),
            times=StageTimes(time_appended=time_start, time_extracted=time_start),
        )

    def measure(self) -> SourceColumns:
        """Return noisy measurements of most of the field's sources, and the new ones."""
        rng, field = self._rng, self._field
        n_new = 0 if self._step % 10 else self._n_new
        seen = np.sort(
            rng.choice(field.ra.size, round(_SHARE_SEEN * field.ra.size), replace=False)
        )
        away, angle = (
            field.radius_deg * np.sqrt(rng.uniform(0, 1, n_new)) / 2,
            rng.uniform(0, 2 * np.pi, n_new),
        )
        new_dec = FIELD[1] + away * np.sin(angle)
        new_ra = FIELD[0] + away * np.cos(angle) / np.cos(np.radians(new_dec))
        ra = np.concatenate([field.ra[seen], new_ra % 360])
        dec = np.concatenate([field.dec[seen], new_dec])
        n = ra.size
        err_deg = rng.uniform(2, 6, n) / 3600
        ra, dec = move(ra, dec, rng.normal(0, err_deg), rng.normal(0, err_deg))
        flux, flux_err = rng.normal(0.02, 1e-3, n), np.full(n, 1e-3)
        return SourceColumns(
            ra=ra,
            dec=dec,
            ra_err_deg=err_deg,
            dec_err_deg=err_deg,
            flux_peak_jy_beam=flux,
            flux_peak_err_jy_beam=flux_err,
            flux_int_jy=flux,
            flux_int_err_jy=flux_err,
            snr=flux / 1e-3,
            rms_local_jy_beam=np.full(n, 1e-3),
            major_arcsec=np.full(n, 72.0),
            minor_arcsec=np.full(n, 60.0),
            pa_deg=np.zeros(n),
            quality_flags=np.zeros(n, np.int64),
            p_false=np.zeros(n),
        )

    def _metadata(self, time_start: datetime) -> ImageMetadata:
        cell_deg = 2.2 * min(self._field.radius_deg, 60.0) / _N_PX
        cards = {
            "CTYPE1": "'RA---ZEA'", "CTYPE2": "'DEC--ZEA'", "CRVAL1": FIELD[0],
            "CRVAL2": FIELD[1], "CRPIX1": (_N_PX + 1) / 2, "CRPIX2": (_N_PX + 1) / 2,
            "CDELT1": -cell_deg, "CDELT2": cell_deg, "CUNIT1": "'deg'", "CUNIT2": "'deg'",
        }  # fmt: skip
        return ImageMetadata(
            time_start=time_start,
            exposure_s=1.0,
            freq_eff_hz=FREQ_HZ,
            freq_bw_hz=BANDWIDTH_HZ,
            stokes="I",
            beam_major_deg=BEAM_MAJOR_DEG,
            beam_minor_deg=0.8 * BEAM_MAJOR_DEG,
            beam_pa_deg=0.0,
            field_ra=FIELD[0],
            field_dec=FIELD[1],
            field_radius_deg=min(180.0, 1.5 * self._field.radius_deg),
            width_px=_N_PX,
            height_px=_N_PX,
            wcs_header="\n".join(f"{name:<8}= {value:>20}" for name, value in cards.items()),
        )
