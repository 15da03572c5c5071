"""Documents of VOSI 1.1: what services there are, and what tables they ask."""

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from api.models.tap import Catalogue, TapColumn, TapKey, TapTable

__all__ = [
    "GEOMETRY",
    "write_capabilities",
    "write_capability_elements",
    "write_sia_capabilities",
    "write_tables",
    "write_tap_capabilities",
]

_STD = "ivo://ivoa.net/std"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACES = (
    'xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0" '
    'xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1" '
    'xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0" '
    'xmlns:cs="http://www.ivoa.net/xml/ConeSearch/v1.0" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
# A test compares them with what is translated: that is slow to import.
GEOMETRY = [
    "AREA", "BOX", "CIRCLE", "CONTAINS", "COORD1", "COORD2", "DISTANCE", "INTERSECTS", "POINT",
]  # fmt: skip
_OUTPUT_FORMATS = (
    ("application/x-votable+xml;serialization=binary2", "votable"),
    ("text/csv", "csv"),
    ("application/vnd.apache.parquet", "parquet"),
)


def write_capabilities(root: str) -> str:
    """Return the capabilities of all services.

    Parameters
    ----------
    root : str
        Address of ``/vo``.

    References
    ----------
    Graham et al. (2017), VOSI 1.1; Demleitner et al. (2012), TAPRegExt 1.0.
    """
    body = write_capability_elements(root)
    return f"{_HEAD}<vosi:capabilities {_NAMESPACES}>\n{body}</vosi:capabilities>\n"


def write_capability_elements(root: str) -> str:
    """Return an element for each capability.

    Parameters
    ----------
    root : str
        As of `write_capabilities`.
    """
    services = (
        (f"{_STD}/ConeSearch", f"{root}/scs?", "base"),
        (f"{_STD}/ConeSearch", f"{root}/scs/transients?", "base"),
        *_images(root),
        *_vosi(root),
    )
    return "".join(_capability(*service) for service in services) + _tap(root)


def write_tap_capabilities(root: str) -> str:
    """Return the capabilities of TAP alone, as its own resource ``capabilities`` has them.

    Parameters
    ----------
    root : str
        As of `write_capabilities`.
    """
    tap = f"{root}/tap"
    services = "".join(_capability(*service) for service in _vosi(tap))
    tables = _capability(f"{_STD}/VOSI#tables-1.1", f"{tap}/tables", "full")
    tables += _capability(f"{_STD}/DALI#examples", f"{tap}/examples", "full")
    return (
        f"{_HEAD}<vosi:capabilities {_NAMESPACES}>\n{_tap(root)}{services}{tables}"
        "</vosi:capabilities>\n"
    )


def write_sia_capabilities(root: str) -> str:
    """Return the capabilities of the services of images.

    Parameters
    ----------
    root : str
        As of `write_capabilities`.
    """
    services = (*_images(root), *_vosi(f"{root}/sia"))
    body = "".join(_capability(*service) for service in services)
    return f"{_HEAD}<vosi:capabilities {_NAMESPACES}>\n{body}</vosi:capabilities>\n"


def _images(root: str) -> tuple[tuple[str, str, str], ...]:
    return (
        (f"{_STD}/SIA#query-2.0", f"{root}/sia", "base"),
        (f"{_STD}/SODA#sync-1.0", f"{root}/soda/sync", "base"),
        (f"{_STD}/DataLink#links-1.1", f"{root}/datalink", "base"),
    )


def _vosi(root: str) -> tuple[tuple[str, str, str], ...]:
    return (
        (f"{_STD}/VOSI#capabilities", f"{root}/capabilities", "full"),
        (f"{_STD}/VOSI#availability", f"{root}/availability", "full"),
    )


def _capability(standard: str, address: str, use: str) -> str:
    return (
        f"<capability standardID={quoteattr(standard)}>{_interface(address, use)}</capability>\n"
    )


def _interface(address: str, use: str) -> str:
    return (
        '<interface xsi:type="vs:ParamHTTP" role="std" version="1.0">'
        f"<accessURL use={quoteattr(use)}>{escape(address)}</accessURL></interface>"
    )


def _tap(root: str) -> str:
    formats = "".join(
        f"<outputFormat><mime>{mime}</mime><alias>{alias}</alias></outputFormat>\n"
        for mime, alias in _OUTPUT_FORMATS
    )
    return (
        f'<capability xsi:type="tr:TableAccess" standardID="{_STD}/TAP">\n'
        '<interface xsi:type="vs:ParamHTTP" role="std" version="1.1">'
        f'<accessURL use="base">{escape(root)}/tap</accessURL></interface>\n'
        f'<dataModel ivo-id="{_STD}/ObsCore#core-1.1">ObsCore-1.1</dataModel>\n'
        f"{_language()}{formats}"
        "<executionDuration><default>600</default></executionDuration>\n"
        '<outputLimit><default unit="row">100000</default>'
        '<hard unit="row">1000000</hard></outputLimit>\n'
        "</capability>\n"
    )


def _language() -> str:
    geometry = _features("adqlgeo", GEOMETRY)
    strings = _features("adql-string", ["ILIKE", "LOWER", "UPPER"])
    tables = _features("adql-common-table", ["WITH"])
    sets = _features("adql-sets", ["EXCEPT", "INTERSECT", "UNION"])
    types = _features("adql-type", ["CAST"])
    offset = _features("adql-offset", ["OFFSET"])
    return (
        f"<language><name>ADQL</name>"
        f'<version ivo-id="{_STD}/ADQL#v2.0">2.0</version>'
        f'<version ivo-id="{_STD}/ADQL#v2.1">2.1</version>'
        "<description>ADQL without REGION, POLYGON and uploads</description>\n"
        f"{geometry}{strings}{tables}{sets}{types}{offset}</language>\n"
    )


def _features(kind: str, forms: list[str]) -> str:
    items = "".join(f"<feature><form>{form}</form></feature>" for form in forms)
    return (
        f'<languageFeatures type="{_STD}/TAPRegExt#features-{kind}">{items}</languageFeatures>\n'
    )


def write_tables(catalogue: Catalogue) -> str:
    """Return the tables that can be asked over TAP, with their columns.

    Parameters
    ----------
    catalogue : Catalogue
        As TAP_SCHEMA describes them.

    References
    ----------
    Demleitner et al. (2021), VODataService 1.2, section 3.3.
    """
    schemas = "".join(
        f"<schema><name>{escape(schema)}</name><description>{escape(words)}</description>\n"
        f"{''.join(_tables(catalogue, schema))}</schema>\n"
        for schema, words in catalogue.schemas.items()
    )
    return (
        f'{_HEAD}<vosi:tableset xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0" '
        'xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n{schemas}</vosi:tableset>\n'
    )


def _tables(catalogue: Catalogue, schema: str) -> Iterator[str]:
    for table in catalogue.tables.values():
        if table.schema == schema:
            columns = "".join(_column(column) for column in table.columns.values())
            name = f"{table.schema}.{table.name}"
            keys = "".join(_key(key) for key in catalogue.keys if key.from_table == name)
            yield f"{_table_head(table)}{columns}{keys}</table>\n"


def _key(key: TapKey) -> str:
    columns = "".join(
        f"<fkColumn><fromColumn>{escape(from_column)}</fromColumn>"
        f"<targetColumn>{escape(target_column)}</targetColumn></fkColumn>"
        for from_column, target_column in key.columns
    )
    return (
        f"<foreignKey><targetTable>{escape(key.target_table)}</targetTable>{columns}"
        f"<description>{escape(key.description)}</description></foreignKey>\n"
    )


def _table_head(table: TapTable) -> str:
    utype = f"<utype>{escape(table.utype)}</utype>" if table.utype else ""
    return (
        f"<table type={quoteattr(table.kind)}><name>{table.schema}.{table.name}</name>"
        f"<description>{escape(table.description)}</description>{utype}\n"
    )


def _column(column: TapColumn) -> str:
    facts = (("unit", column.unit), ("ucd", column.ucd), ("utype", column.utype))
    known = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in facts if text)
    size = "" if column.arraysize is None else f" arraysize={quoteattr(column.arraysize)}"
    xtype = "" if column.xtype is None else f" extendedType={quoteattr(column.xtype)}"
    flags = (("indexed", column.is_indexed), ("principal", column.is_principal))
    set_flags = "".join(f"<flag>{name}</flag>" for name, is_set in flags if is_set)
    return (
        f'<column std="{str(column.is_std).lower()}"><name>{escape(column.name)}</name>'
        f"<description>{escape(column.description)}</description>{known}"
        f'<dataType xsi:type="vs:VOTableType"{size}{xtype}>{column.datatype}</dataType>'
        f"{set_flags}</column>\n"
    )
