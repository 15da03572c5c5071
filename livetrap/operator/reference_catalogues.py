"""Catalogues of known sources for `matches` in rules: load, list, delete."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import numpy.typing as npt
from astropy import units
from astropy.table import Column, Table

from livetrap.database.connection import with_connection
from runtime.errors import SettingsError
from runtime.settings import Settings
from runtime.sql import Queries
from sky.geometry import zone_of

__all__ = ["delete_catalogue", "list_catalogues", "load_catalogue", "read_positions"]

_QUERIES = Queries("livetrap.operator")
_RA_NAMES = ("ra", "raj2000", "ra_deg", "ra_icrs", "_raj2000", "radeg", "right_ascension")
_DEC_NAMES = (
    "dec",
    "dej2000",
    "dec_deg",
    "de_icrs",
    "_dej2000",
    "decdeg",
    "declination",
    "decj2000",
)
_UCDS = {"ra": "pos.eq.ra", "dec": "pos.eq.dec"}
_LONGEST_NAME = 64

Positions = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def read_positions(path: Path, *, ra: str | None = None, dec: str | None = None) -> Positions:
    """Return the positions in a VOTable, FITS table or CSV [deg, ICRS].

    Parameters
    ----------
    path : Path
        The file; its ending decides how it is read.
    ra, dec : str, optional
        Names of the columns, where neither UCDs nor usual names identify them.

    Raises
    ------
    SettingsError
        If it cannot be read, or has no positions.
    """
    kinds = {".fits": "fits", ".fit": "fits", ".csv": "ascii.csv", ".ecsv": "ascii.ecsv"}
    kind = kinds.get(path.suffix.lower(), "votable")
    try:
        table = Table.read(path, format=kind)
    except Exception as error:
        # astropy's readers raise many kinds of errors; each means that this file is no table.
        raise SettingsError(f"cannot read {path} as {kind}: {error}") from error
    found = (
        _to_degrees(_find(table, ra, usual=_RA_NAMES, ucd=_UCDS["ra"], path=path), path),
        _to_degrees(_find(table, dec, usual=_DEC_NAMES, ucd=_UCDS["dec"], path=path), path),
    )
    bad = ~(np.isfinite(found[0]) & (np.abs(found[1]) <= 90))
    if not found[0].size or np.any(bad):
        raise SettingsError(
            f"{path}: {np.count_nonzero(bad)} of {bad.size} rows have no position; remove them"
        )
    return found[0] % 360.0 % 360.0, found[1]


def _find(
    table: Table, wanted: str | None, *, usual: Sequence[str], ucd: str, path: Path
) -> Column:
    if wanted is not None:
        if wanted not in table.colnames:
            raise SettingsError(
                f"{path}: no column {wanted!r}; it has {', '.join(table.colnames)}"
            )
        return table[wanted]
    for name in table.colnames:
        if str(table[name].meta.get("ucd", "")).lower().startswith(f"{ucd};meta.main"):
            return table[name]
    for name in table.colnames:
        if name.lower() in usual:
            return table[name]
    raise SettingsError(
        f"{path}: no column is known to be {ucd}; it has {', '.join(table.colnames)}: "
        "name two of them with --ra and --dec"
    )


def _to_degrees(column: Column, path: Path) -> npt.NDArray[np.float64]:
    unit = column.unit or units.deg
    try:
        values = np.ma.filled(np.ma.asarray(column.data, dtype=np.float64), np.nan)
        return np.asarray((values * unit).to_value(units.deg), np.float64)
    except (TypeError, ValueError, units.UnitsError) as error:
        raise SettingsError(f"{path}: column {column.name} is no angle: {error}") from error


def load_catalogue(settings: Settings, name: str, positions: Positions) -> int:
    """Store a catalogue, replacing one of the same name; return the number of its sources.

    Raises
    ------
    SettingsError
        If the name is too long or not printable; others as of
        `livetrap.database.connection.connect`.
    """
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise SettingsError(f"a catalogue's name has 1 to {_LONGEST_NAME} characters")
    ra, dec = positions

    async def store(connection: asyncpg.Connection) -> int:
        async with connection.transaction():
            await _QUERIES.execute(connection, "delete_reference_catalogue", name=name)
            number = await _QUERIES.fetchval(
                connection, "insert_reference_catalogue", name=name, n_sources=ra.size
            )
            columns = {
                "catalogue_id": [number] * ra.size,
                "zone": zone_of(dec).tolist(),
                "ra": ra.tolist(),
                "dec": dec.tolist(),
            }
            await connection.copy_records_to_table(
                "reference_source",
                records=zip(*columns.values(), strict=True),
                columns=list(columns),
            )
        return int(ra.size)

    return with_connection(settings.postgres, store)


def list_catalogues(settings: Settings) -> list[dict[str, Any]]:
    """Return the catalogues; errors as of `livetrap.database.connection.connect`."""

    async def fetch(connection: asyncpg.Connection) -> list[dict[str, Any]]:
        rows = await _QUERIES.fetch(connection, "list_reference_catalogues")
        return [dict(row) for row in rows]

    return with_connection(settings.postgres, fetch)


def delete_catalogue(settings: Settings, name: str) -> None:
    """Delete a catalogue.

    Raises
    ------
    SettingsError
        If there is no such catalogue; others as of `livetrap.database.connection.connect`.
    """

    async def delete(connection: asyncpg.Connection) -> None:
        row = await _QUERIES.fetchval(connection, "delete_reference_catalogue", name=name)
        if row is None:
            raise SettingsError(
                f"no catalogue {name!r}; `livetrap catalogues list` shows their names"
            )

    with_connection(settings.postgres, delete)
