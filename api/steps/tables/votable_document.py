"""Documents of VOTable without rows, written by astropy.

This module is imported when the first table is asked for: astropy would double the time in which
the API starts.
"""

import io
from typing import Any

from astropy.io.votable.tree import (
    CooSys,
    Field,
    Info,
    Resource,
    TableElement,
    TimeSys,
    VOTableFile,
)

from api.steps.tables.base import TableInfo

__all__ = ["write_empty_votable", "write_error"]


def write_empty_votable(
    info: TableInfo, fields: list[dict[str, Any]], *, status: str | None = None
) -> str:
    """Return a document with a table of no rows.

    Parameters
    ----------
    info : TableInfo
        What it is about.
    fields : list of dict
        Attributes of each element FIELD.
    status : str or None
        As of `VoTableFormat`.
    """
    document = VOTableFile(version="1.4")
    _add_systems(document, {field.get("ref") for field in fields})
    resource = Resource(type="results")
    resource.description = info.description
    facts = {"query": info.query, "software": f"LiveTrap {info.version}"}
    facts = facts if status is None else {"QUERY_STATUS": status} | facts
    resource.infos.extend(Info(name=name, value=value) for name, value in facts.items())
    document.resources.append(resource)
    table = TableElement(document, name=info.name)
    resource.tables.append(table)
    table.fields.extend(_to_element(document, field) for field in fields)
    return _to_xml(document)


def _add_systems(document: VOTableFile, wanted: set[str | None]) -> None:
    """Add the coordinate and time systems that fields refer to."""
    if "icrs" in wanted:
        document.coordinate_systems.append(CooSys(ID="icrs", system="ICRS"))
    if "utc" in wanted:
        # Times are those of the telescope's clock.
        document.time_systems.append(
            TimeSys(
                ID="utc",
                timescale="UTC",
                refposition="TOPOCENTER",
                config={"version_1_4_or_later": True},
            )
        )


def _to_element(document: VOTableFile, field: dict[str, Any]) -> Field:
    """Return an element FIELD, with its description if there is one."""
    words = field.pop("description", "")
    element = Field(document, **field)
    if words:
        element.description = words
    return element


def write_error(description: str, words: str) -> bytes:
    """Return a document that says what is wrong with a query.

    Parameters
    ----------
    description : str
        What the service gives.
    words : str
        What is wrong and how to mend it.

    References
    ----------
    Plante et al. (2008), Simple Cone Search 1.03, section 2.3; Dowler et al. (2017), DALI 1.1,
    section 4.4: the first wants an INFO named Error, the second one named QUERY_STATUS.
    """
    document = VOTableFile(version="1.4")
    resource = Resource(type="results")
    resource.description = description
    resource.infos.append(Info(name="QUERY_STATUS", value="ERROR"))
    resource.infos[0].content = words
    resource.infos.append(Info(ID="Error", name="Error", value=words))
    document.resources.append(resource)
    return _to_xml(document).encode()


def _to_xml(document: VOTableFile) -> str:
    out = io.BytesIO()
    document.to_xml(out)
    return out.getvalue().decode()
