"""Validate packets by the schema of VOEvent: what is alike in many of them, once."""

import re
from functools import lru_cache

from lxml import etree

from runtime.errors import RejectedMessageError
from schemas.voevent import NAMESPACE, load_voevent_schema

__all__ = ["MAX_PACKET_BYTES", "assert_parts_valid", "assert_short", "assert_valid"]

# Comet closes the connection beyond 99 999.
MAX_PACKET_BYTES = 32_000

_SCHEMA = load_voevent_schema()
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
# Values of parameters and cells of tables: texts of any content to the schema. One in which a
# character is a mark of XML, or none of its characters at all, is not taken for such a text.
_NO_TEXT = r"<&\x00-\x1f\ud800-\udfff\ufffe\uffff"
_VALUE = re.compile(f' value="[^"{_NO_TEXT}]+"')
_CELL = re.compile(f"<TD>[^>{_NO_TEXT}]+</TD>")
_START = f'<voe:VOEvent xmlns:voe="{NAMESPACE}" version="2.0" ivorn="ivo://org.test/any">'
_END = "</voe:VOEvent>"


def assert_valid(data: bytes) -> None:
    """Refuse a packet that a subscriber would refuse.

    Raises
    ------
    RejectedMessageError
        If it is not XML, not VOEvent 2.0, or too large.
    """
    _assert_by_schema(data)
    assert_short(data)


def assert_short(data: bytes) -> None:
    """Refuse a packet that is too large.

    Raises
    ------
    RejectedMessageError
        If it is.
    """
    if len(data) > MAX_PACKET_BYTES:
        raise RejectedMessageError("large_voevent", f"VOEvent of {len(data)} bytes")


def assert_parts_valid(before: str, what: str, after: str) -> None:
    """Refuse a packet of three parts that `assert_valid` would refuse, but for its length.

    The schema allows each part of a VOEvent beside every other, so that they can be validated
    apart. The facts are most of a packet, and differ from those of other packets in free texts
    alone: what is left without these is validated once.

    Parameters
    ----------
    before : str
        The packet until its element ``What``, from the declaration on.
    what : str
        The element ``What``.
    after : str
        What follows it.

    Raises
    ------
    RejectedMessageError
        If the packet is not XML, or not VOEvent 2.0.
    """
    _assert_by_schema(f"{before}{after}".encode())
    _assert_facts_valid(_CELL.sub("<TD></TD>", _VALUE.sub(' value=""', what)))


@lru_cache(maxsize=1024)
def _assert_facts_valid(what: str) -> None:
    """Refuse facts that are not valid; those that are valid are remembered."""
    _assert_by_schema(f"{_START}{what}{_END}".encode())


def _assert_by_schema(data: bytes) -> None:
    try:
        _SCHEMA.assertValid(etree.fromstring(data, _PARSER))
    except (etree.XMLSyntaxError, etree.DocumentInvalid) as error:
        raise RejectedMessageError("invalid_voevent", f"not VOEvent 2.0: {error}") from error
