"""Catalogues of known sources for `matches` in rules: load, list, delete."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
from astropy import units
from astropy.table import Column, Table

from livetrap.database.connection import with_connection
from livetrap.operator.rule_names import list_uses
from runtime.errors import SettingsError
from runtime.settings import Settings
from runtime.sql import Queries
from schemas.messages import FloatArray
from sky.geometry import zone_of

__all__ = [
    "CatalogueColumns",
    "ReferenceSources",
    "delete_catalogue",
    "list_catalogues",
    "load_catalogue",
    "read_catalogue",
]

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
_SOURCE_NAMES = ("name", "source_name", "source_id", "iauname", "designation", "id")
_UCDS = {"ra": "pos.eq.ra", "dec": "pos.eq.dec"}
_FLUX_UCD = "phot.flux.density"
_LONGEST_NAME = 64
_LONGEST_SOURCE_NAME = 60


@dataclass(frozen=True, slots=True)
class CatalogueColumns:
    """Names of the columns of a catalogue, where UCDs and usual names do not tell.

    Parameters
    ----------
    ra, dec, name, flux : str or None
        Columns of the position, of the name of a source, and of its flux density.
    flux_unit : str or None
        Unit of the flux density, where the table says none.
    """

    ra: str | None = None
    dec: str | None = None
    name: str | None = None
    flux: str | None = None
    flux_unit: str | None = None


@dataclass(frozen=True, slots=True)
class ReferenceSources:
    """The sources of a catalogue, as columns.

    Parameters
    ----------
    ra, dec : (n,) float64
        ICRS [deg].
    names : sequence of str or None
        Names of the sources; None where one has none.
    flux_jy : (n,) float64
        Flux densities [Jy]; NaN where unknown.
    """

    ra: FloatArray
    dec: FloatArray
    names: Sequence[str | None]
    flux_jy: FloatArray


def read_catalogue(path: Path, columns: CatalogueColumns = CatalogueColumns()) -> ReferenceSources:
    """Return positions, names and flux densities in a VOTable, FITS table or CSV.

    Parameters
    ----------
    path : Path
        The file; its ending decides how it is read.
    columns : CatalogueColumns
        Names of the columns, where neither UCDs nor usual names identify them.

    Raises
    ------
    SettingsError
        If it cannot be read, has no positions, or lacks a column that is named.
    """
    kinds = {".fits": "fits", ".fit": "fits", ".csv": "ascii.csv", ".ecsv": "ascii.ecsv"}
    kind = kinds.get(path.suffix.lower(), "votable")
    try:
        table = Table.read(path, format=kind)
    except Exception as error:
        # astropy's readers raise many kinds of errors; each means that this file is no table.
        raise SettingsError(f"cannot read {path} as {kind}: {error}") from error
    ra_column = _find(table, columns.ra, usual=_RA_NAMES, ucd=_UCDS["ra"], path=path)
    dec_column = _find(table, columns.dec, usual=_DEC_NAMES, ucd=_UCDS["dec"], path=path)
    ra, dec = _to_degrees(ra_column, path), _to_degrees(dec_column, path)
    bad = ~(np.isfinite(ra) & (np.abs(dec) <= 90))
    if not ra.size or np.any(bad):
        raise SettingsError(
            f"{path}: {np.count_nonzero(bad)} of {bad.size} rows have no position; remove them"
        )
    return ReferenceSources(
        ra % 360.0 % 360.0,
        dec,
        _read_names(table, columns.name, path),
        _read_fluxes(table, columns, path),
    )


def _read_names(table: Table, wanted: str | None, path: Path) -> list[str | None]:
    """Return the names of the sources; None for each if no column is known to have them."""
    column = _find_named(table, wanted, path)
    if column is None:
        column = _find_by_ucd(table, "meta.id")
    if column is None:
        usual = [name for name in table.colnames if name.lower() in _SOURCE_NAMES]
        column = table[usual[0]] if usual else None
    if column is None:
        return [None] * len(table)
    return [_to_name(value) for value in column]


def _to_name(value: object) -> str | None:
    if value is np.ma.masked:
        return None
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return "".join(filter(str.isprintable, text)).strip()[:_LONGEST_SOURCE_NAME] or None


def _read_fluxes(table: Table, columns: CatalogueColumns, path: Path) -> FloatArray:
    """Return the flux densities [Jy]; NaN for each if no column is known to have them."""
    column = _find_named(table, columns.flux, path)
    if column is None:
        column = _find_by_ucd(table, _FLUX_UCD)
    if column is None:
        return np.full(len(table), np.nan)
    unit = column.unit if columns.flux_unit is None else columns.flux_unit
    if unit is None:
        if columns.flux is None:
            return np.full(len(table), np.nan)
        raise SettingsError(f"{path}: column {columns.flux} has no unit; name it: --flux-unit mJy")
    return _to_jansky(column, unit, path)


def _to_jansky(column: Column, unit: object, path: Path) -> FloatArray:
    """Return flux densities [Jy]; a peak flux [Jy/beam] is the one of a point source."""
    try:
        values = np.ma.filled(np.ma.asarray(column.data, dtype=np.float64), np.nan)
        known = units.Unit(str(unit).replace("/beam", "").replace(" beam-1", ""))
        return np.asarray((values * known).to_value(units.Jy), np.float64)
    except (TypeError, ValueError, units.UnitsError) as error:
        raise SettingsError(
            f"{path}: column {column.name} is no flux density in {unit}: {error}"
        ) from error


def _find_named(table: Table, wanted: str | None, path: Path) -> Column | None:
    if wanted is None:
        return None
    if wanted not in table.colnames:
        raise SettingsError(f"{path}: no column {wanted!r}; it has {', '.join(table.colnames)}")
    return table[wanted]


def _find_by_ucd(table: Table, ucd: str) -> Column | None:
    """Return the first column of a UCD, the main one if there is one."""
    words = {name: str(table[name].meta.get("ucd", "")).lower() for name in table.colnames}
    found = [name for name, text in words.items() if f"{text};".startswith(f"{ucd};")]
    found.sort(key=lambda name: "meta.main" not in words[name])
    return table[found[0]] if found else None


def _find(
    table: Table, wanted: str | None, *, usual: Sequence[str], ucd: str, path: Path
) -> Column:
    if (named := _find_named(table, wanted, path)) is not None:
        return named
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


def _to_degrees(column: Column, path: Path) -> FloatArray:
    unit = column.unit or units.deg
    try:
        values = np.ma.filled(np.ma.asarray(column.data, dtype=np.float64), np.nan)
        return np.asarray((values * unit).to_value(units.deg), np.float64)
    except (TypeError, ValueError, units.UnitsError) as error:
        raise SettingsError(f"{path}: column {column.name} is no angle: {error}") from error


def load_catalogue(settings: Settings, name: str, sources: ReferenceSources) -> int:
    """Store a catalogue, replacing one of the same name; return the number of its sources.

    Raises
    ------
    SettingsError
        If the name is too long or not printable; others as of
        `livetrap.database.connection.connect`.
    """
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise SettingsError(f"a catalogue's name has 1 to {_LONGEST_NAME} characters")
    n_sources = sources.ra.size

    async def store(connection: asyncpg.Connection) -> int:
        async with connection.transaction():
            await _QUERIES.execute(connection, "delete_reference_catalogue", name=name)
            number = await _QUERIES.fetchval(
                connection, "insert_reference_catalogue", name=name, n_sources=n_sources
            )
            columns = {
                "catalogue_id": [number] * n_sources,
                "zone": zone_of(sources.dec).tolist(),
                "ra": sources.ra.tolist(),
                "dec": sources.dec.tolist(),
                "source_name": sources.names,
                "flux_jy": [each if np.isfinite(each) else None for each in sources.flux_jy],
            }
            await connection.copy_records_to_table(
                "reference_source",
                records=zip(*columns.values(), strict=True),
                columns=list(columns),
            )
        return int(n_sources)

    return with_connection(settings.postgres, store)


def list_catalogues(settings: Settings) -> list[dict[str, Any]]:
    """Return the catalogues; errors as of `livetrap.database.connection.connect`."""

    async def fetch(connection: asyncpg.Connection) -> list[dict[str, Any]]:
        rows = await _QUERIES.fetch(connection, "list_reference_catalogues")
        return [dict(row) for row in rows]

    return with_connection(settings.postgres, fetch)


def delete_catalogue(settings: Settings, name: str) -> None:
    """Delete a catalogue that no rule and no subscription names.

    ``not matches(...)`` of one that is gone is true of every source, and the alert service does
    not start with rules that name it.

    Raises
    ------
    SettingsError
        If one does, or there is no such catalogue; others as of
        `livetrap.database.connection.connect`.
    """

    async def delete(connection: asyncpg.Connection) -> None:
        if uses := await list_uses(connection, settings, name):
            raise SettingsError(
                f"{name!r} is named by {', '.join(uses)}; change these first, or load another "
                "catalogue under this name"
            )
        row = await _QUERIES.fetchval(connection, "delete_reference_catalogue", name=name)
        if row is None:
            raise SettingsError(
                f"no catalogue {name!r}; `livetrap catalogues list` shows their names"
            )

    with_connection(settings.postgres, delete)
