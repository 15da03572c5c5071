"""What tests read in VOEvent packets."""

from functools import cache
from pathlib import Path

from lxml import etree

__all__ = ["cited_ivorns", "read_packet"]


@cache
def _schema_of_comet() -> etree.XMLSchema:
    """Return the schema that Comet ships: not the file that the service validates with."""
    import comet

    path = Path(comet.__file__).parent / "schema" / "VOEvent-v2.0.xsd"
    return etree.XMLSchema(etree.parse(str(path)))


def read_packet(packet: bytes) -> etree._Element:
    """Return the root of a packet that Comet takes for valid."""
    root = etree.fromstring(packet)
    _schema_of_comet().assertValid(root)
    return root


def cited_ivorns(packet: etree._Element) -> dict[str | None, list[str | None]]:
    """Return the ivorns that a packet cites, by the kind of citation."""
    ivorns: dict[str | None, list[str | None]] = {}
    for each in packet.findall("Citations/EventIVORN"):
        ivorns.setdefault(each.get("cite"), []).append(each.text)
    return ivorns
