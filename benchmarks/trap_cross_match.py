"""The cross-match as TraP asks it: its conditions on its kind of indexes, written anew.

Facts: zone, declination, right ascension and the dot product of unit vectors within
`beamwidths_limit` semi-major axes, then the De Ruiter radius; one B-tree a column.
"""

import asyncpg
import numpy as np

from schemas.messages import SourceColumns
from sky.geometry import to_unit_vectors

_CATALOGUE = """
drop table if exists trap_runningcatalog, trap_extractedsource;
create table trap_runningcatalog as select
    id, floor(dec)::int as zone, ra as wm_ra, dec as wm_decl,
    sqrt(1 / weight_ra + {floor}) as err_ew, sqrt(1 / weight_dec + {floor}) as err_ns,
    cosd(dec) * cosd(ra) as x, cosd(dec) * sind(ra) as y, sind(dec) as z
from source order by {order};
create table trap_extractedsource (
    image int, ra float8, decl float8, err_ew float8, err_ns float8, x float8, y float8, z float8,
    half_width float8
);
"""
_INDEXES = {
    "trap_runningcatalog": ("zone", "wm_ra", "wm_decl", "x", "y", "z"),
    "trap_extractedsource": ("image", "ra", "decl", "x", "y", "z"),
}
_MATCH = """
select count(*) as n, coalesce(sum(r.id), 0) as sum
from trap_extractedsource as x
inner join trap_runningcatalog as r
    on r.zone between floor(x.decl - $2::float8)::int and floor(x.decl + $2)::int
    and r.wm_decl between x.decl - $2 and x.decl + $2
    and r.wm_ra between x.ra - x.half_width and x.ra + x.half_width
    and r.x * x.x + r.y * x.y + r.z * x.z > cosd($2)
    and sqrt(
        ((x.ra - r.wm_ra) * cosd((x.decl + r.wm_decl) / 2)) ^ 2 / (x.err_ew ^ 2 + r.err_ew ^ 2)
        + (x.decl - r.wm_decl) ^ 2 / (x.err_ns ^ 2 + r.err_ns ^ 2)
    ) < $3::float8
where x.image = $1::int
"""


async def make_catalogue(
    connection: asyncpg.Connection, systematic_deg: float, *, order: str
) -> None:
    """Copy the running catalogue into a table of TraP's kind, its rows on disk in an order."""
    script = _CATALOGUE.replace("{floor}", repr(systematic_deg**2)).replace("{order}", order)
    await connection.execute(script)
    for table, columns in _INDEXES.items():
        for column in columns:
            await connection.execute(f"create index on {table} ({column})")
    await connection.execute("vacuum analyze trap_runningcatalog")


async def put_image(
    connection: asyncpg.Connection,
    image: int,
    measured: SourceColumns,
    *,
    systematic_deg: float,
    limit_deg: float,
) -> None:
    """Store the measurements of an image."""
    ra, dec = measured.ra, measured.dec
    x, y, z = to_unit_vectors(ra, dec)
    half_width = np.degrees(
        np.arctan(
            np.sin(np.radians(limit_deg))
            / np.sqrt(
                np.abs(np.cos(np.radians(dec - limit_deg)) * np.cos(np.radians(dec + limit_deg)))
            )
        )
    )
    err = np.hypot(measured.ra_err_deg, systematic_deg)
    columns = (ra, dec, err, err, x, y, z, half_width)
    records = [(image, *row) for row in zip(*[each.tolist() for each in columns], strict=True)]
    await connection.copy_records_to_table("trap_extractedsource", records=records)
    await connection.execute("analyze trap_extractedsource")


async def match(
    connection: asyncpg.Connection, image: int, *, limit_deg: float, de_ruiter_limit: float
) -> tuple[int, int]:
    """Return the number of pairs and the sum of their source ids."""
    row = await connection.fetchrow(_MATCH, image, limit_deg, de_ruiter_limit)
    return int(row["n"]), int(row["sum"])
