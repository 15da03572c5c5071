"""What can be asked over TAP: schemas, tables and columns, as TAP_SCHEMA describes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Catalogue", "TapColumn", "TapKey", "TapTable", "Translation"]


@dataclass(frozen=True, slots=True)
class TapColumn:
    """A row of TAP_SCHEMA.columns.

    Parameters
    ----------
    name : str
        Name.
    datatype : str
        As of a VOTable.
    arraysize, xtype, unit, ucd, utype : str or None
        As of a VOTable.
    description : str
        Meaning.
    """

    name: str
    datatype: str
    arraysize: str | None = None
    xtype: str | None = None
    unit: str | None = None
    ucd: str | None = None
    utype: str | None = None
    description: str = ""
    is_indexed: bool = False
    is_principal: bool = False
    is_std: bool = False


@dataclass(frozen=True, slots=True)
class TapTable:
    """A row of TAP_SCHEMA.tables, with its columns.

    Parameters
    ----------
    schema, name : str
        Name of the table and of what it is in.
    columns : mapping
        Columns by name.
    """

    schema: str
    name: str
    kind: str
    utype: str | None
    description: str
    columns: Mapping[str, TapColumn] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TapKey:
    """A reference between tables, with its columns.

    Parameters
    ----------
    from_table, target_table : str
        With their schemas.
    description : str
        Meaning.
    columns : tuple of pairs of str
        Column that refers, and the one it refers to.
    """

    from_table: str
    target_table: str
    description: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every table that can be asked.

    Parameters
    ----------
    schemas : mapping
        Description of each schema.
    tables : mapping
        Tables by schema and name.
    keys : tuple of TapKey
        References between them.
    """

    schemas: Mapping[str, str]
    tables: Mapping[tuple[str, str], TapTable]
    keys: tuple[TapKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Translation:
    """A query that PostgreSQL can answer.

    Parameters
    ----------
    sql : str
        One statement; every value of the query stands in it as a literal.
    names : tuple of str
        Names of the columns of the answer; no two are the same.
    origins : tuple of TapColumn or None
        Column of a table that each is, None for what is computed.
    """

    sql: str
    names: tuple[str, ...]
    origins: tuple[TapColumn | None, ...]
