"""The cross-match as windowed SQL: detections as arrays, the index (zone, ra), pairs back.

The beam limit and the De Ruiter radius are in the statement; who keeps a contested source is not.
"""

from dataclasses import dataclass

import asyncpg
import numpy as np

from runtime.binary_rows import decode_rows
from schemas.messages import FloatArray, IntArray
from services.associate.models.catalogue import SOURCE_DTYPE, RowArray
from services.associate.steps.matching import Links, Positions
from sky.geometry import to_unit_vectors, zone_of

# $1 stream; $2-$11 one row for each detection and zone; $12 chord^2, $13 half height [deg],
# $14 systematic variance [deg^2], $15 De Ruiter radius. "offset 0" pins the plan: for each box one
# look-up in the index (stream_id, zone, search_ra, search_dec).
_FROM = """
from unnest(
    $2::int[], $3::smallint[], $4::float8[], $5::float8[], $6::float8[], $7::float8[],
    $8::float8[], $9::float8[], $10::float8[], $11::float8[]
) as probe (
    detection, zone, ra_low, ra_high, dec, x, y, z, east_variance, north_variance
)
cross join lateral (
    select
        {columns},
        1 / nullif(source.weight_ra, 0) + $14::float8 as east_variance,
        1 / nullif(source.weight_dec, 0) + $14::float8 as north_variance,
        sin(radians(source.ra)) as sin_ra,
        cos(radians(source.ra)) as cos_ra,
        sin(radians(source.dec)) as sin_dec,
        cos(radians(source.dec)) as cos_dec
    from source
    where
        source.stream_id = $1::int
        and source.zone = probe.zone
        and source.search_ra between probe.ra_low and probe.ra_high
        and source.search_dec between probe.dec - $13::float8 and probe.dec + $13::float8
    offset 0
) as source
cross join lateral (
    select
        degrees(-source.sin_ra * probe.x + source.cos_ra * probe.y) as east,
        degrees(
            -source.sin_dec * source.cos_ra * probe.x - source.sin_dec * source.sin_ra * probe.y
            + source.cos_dec * probe.z
        ) as north
) as away
where
    (probe.x - source.cos_dec * source.cos_ra) ^ 2
    + (probe.y - source.cos_dec * source.sin_ra) ^ 2
    + (probe.z - source.sin_dec) ^ 2 <= $12::float8
    and {radius} < $15::float8
"""
_RADIUS = """sqrt(
    away.east ^ 2 / (probe.east_variance + source.east_variance)
    + away.north ^ 2 / (probe.north_variance + source.north_variance)
)"""


_SENDS = {
    "i2": "int2send",
    "i4": "int4send",
    "i8": "int8send",
    "f8": "float8send",
    "b1": "boolsend",
}


def _statement(columns: tuple[str, ...]) -> str:
    names = ", ".join(f"source.{name}" for name in columns)
    from_ = _FROM.format(columns=names, radius=_RADIUS)
    sent = " || ".join(f"{_SENDS[SOURCE_DTYPE[name].str[1:]]}(source.{name})" for name in columns)
    return (
        "select string_agg("
        f"int4send(probe.detection) || float8send({_RADIUS}) || {sent}, '') as rows{from_}"
    )


SELECT_PAIRS = _statement(("id",))
SELECT_PAIRS_AND_SOURCES = _statement(SOURCE_DTYPE.names or ())


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a detection may be from its source."""

    distance_deg: float
    drift_deg: float
    systematic_deg: float
    de_ruiter: float


async def find_pairs(
    connection: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy,
    stream_id: int,
    detections: Positions,
    limits: Limits,
    *,
    with_sources: bool,
) -> tuple[RowArray, Links]:
    """Return the sources of all pairs in order of id, and the pairs.

    Parameters
    ----------
    connection : asyncpg.Connection
        It takes numpy arrays.
    stream_id : int
        Stream.
    detections : Positions
        With the systematic error.
    limits : Limits
        Of a pair.
    with_sources : bool
        Whether the statement returns the columns of the sources; else only their ids.

    Returns
    -------
    (n,) structured, `SOURCE_DTYPE`, and Links
        Sources by their rows here.
    """
    statement = SELECT_PAIRS_AND_SOURCES if with_sources else SELECT_PAIRS
    data = await connection.fetchval(statement, stream_id, *_to_arguments(detections, limits))
    names = SOURCE_DTYPE.descr if with_sources else [("id", np.int64)]
    dtype = np.dtype([("detection", np.int32), ("radius", np.float64), *names])
    rows = decode_rows(data or b"", dtype)
    ids, first, source = np.unique(rows["id"], return_index=True, return_inverse=True)
    sources = np.zeros(ids.size, SOURCE_DTYPE)
    for name in (SOURCE_DTYPE.names or ()) if with_sources else ("id",):
        sources[name] = rows[name][first]
    return sources, Links(rows["detection"].astype(np.int64), source, rows["radius"])


def _to_arguments(detections: Positions, limits: Limits) -> list[object]:
    number, zone, low, high = _probe_each(
        detections.ra, detections.dec, limits.distance_deg + limits.drift_deg
    )
    x, y, z = to_unit_vectors(detections.ra, detections.dec)
    per_probe = [
        each[number]
        for each in (detections.dec, x, y, z, detections.east_err**2, detections.north_err**2)
    ]
    chord = 2 * np.sin(np.radians(min(limits.distance_deg, 180.0)) / 2)
    return [
        number, zone, low, high, *per_probe, float(chord**2),
        limits.distance_deg + limits.drift_deg, limits.systematic_deg**2, limits.de_ruiter,
    ]  # fmt: skip


def _probe_each(
    ra: FloatArray, dec: FloatArray, radius_deg: float
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Return boxes of the search index for each detection: its number, zone and RA range.

    Not for fields at RA 0h or a pole, which the benchmark has not.
    """
    low, high = dec - radius_deg, dec + radius_deg
    first, last = zone_of(low), zone_of(high)
    n_zones = last - first + 1
    number = np.repeat(np.arange(ra.size), n_zones)
    zone = (
        first[number] + np.arange(number.size) - np.repeat(np.cumsum(n_zones) - n_zones, n_zones)
    )
    cosines = np.cos(np.radians(low)) * np.cos(np.radians(high))
    half = np.degrees(np.arctan(np.sin(np.radians(radius_deg)) / np.sqrt(cosines)))
    return number, zone, (ra - half)[number], (ra + half)[number]
