"""Documents of the VOEvent Transport Protocol, and the filters a subscriber may set."""

import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from lxml import etree

from services.distribute.errors import TransportError

__all__ = [
    "MAX_FILTERS",
    "MAX_FILTER_CHARS",
    "MAX_FILTER_DEPTH",
    "MAX_FRAME_BYTES",
    "Filters",
    "PeerMessage",
    "build_transport",
    "compile_filters",
    "depth_of",
    "frame",
    "matches",
    "parse_peer_message",
    "parse_xml",
]

Filters = tuple[etree.XPath, ...]

# Of a subscriber: an authenticate with a few filters is the longest that it has to say.
MAX_FRAME_BYTES = 4096
# Markup costs time, not text: so much in 4 kB is parsed in a tenth of a millisecond.
_MAX_MARKS = 300
# In which a mark is its byte of ASCII, with zeros beside it or none; not so UTF-7 and EBCDIC.
_ENCODINGS = frozenset(
    (b"utf-8", b"utf-16", b"utf-16le", b"utf-16be", b"us-ascii", b"ascii", b"iso-8859-1")
)
_DECLARED = re.compile(rb"encoding\s*=\s*[\"']([^\"']*)")
_BEFORE_XML = b"\xef\xbb\xbf\xff\xfe \t\r\n"
_NAMESPACE = "http://www.telescope-networks.org/xml/Transport/v1.1"
_ROOTS = frozenset(
    f"{{{namespace}}}Transport"
    for namespace in (
        "http://telescope-networks.org/xml/Transport/v1.1",
        "http://telescope-networks.org/schema/Transport/v1.1",  # pygcn
        _NAMESPACE,  # Comet
    )
)
_ROLES = frozenset({"iamalive", "authenticate", "ack", "nak"})
MAX_FILTERS = 16
_MAX_TEXT_CHARS = 300
MAX_FILTER_CHARS = 1000
# Work grows as nodes ** (depth + 1); deeper ones could occupy a core for minutes.
MAX_FILTER_DEPTH = 2


@dataclass(frozen=True, slots=True)
class PeerMessage:
    """A Transport document of a peer.

    Parameters
    ----------
    origin : str
        What it answers to; in an ``ack`` or ``nak`` the ivorn of the alert.
    response : str
        Identifier of the peer; empty if it gives none.
    filters : tuple of str
        XPath expressions of an ``authenticate``.
    result : str
        Reason of a refusal, in a ``nak``.
    token : str
        What proves the identifier, in an ``authenticate``.
    """

    role: str
    origin: str = ""
    response: str = ""
    filters: tuple[str, ...] = ()
    result: str = ""
    token: str = ""


def frame(document: bytes) -> bytes:
    """Return `document` behind its length, 4 bytes, big-endian."""
    return struct.pack("!I", len(document)) + document


def build_transport(role: str, origin: str, *, response: str = "", result: str = "") -> bytes:
    """Return a Transport document.

    Parameters
    ----------
    role : str
        ``iamalive``, ``authenticate``, ``ack`` or ``nak``.
    origin : str
        Identifier of this server; in an answer the ivorn of the event.
    response : str
        Identifier of this server in an answer.
    result : str
        Reason of a refusal.
    """
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    answers = f"<Response>{escape(response)}</Response>" if response else ""
    result_element = f"<Meta><Result>{escape(result)}</Result></Meta>" if result else ""
    return (
        "<?xml version='1.0' encoding='UTF-8'?>"
        f'<trn:Transport xmlns:trn="{_NAMESPACE}" version="1.0" role="{role}">'
        f"<Origin>{escape(origin)}</Origin>{answers}<TimeStamp>{now}</TimeStamp>{result_element}"
        "</trn:Transport>"
    ).encode()


def parse_xml(document: bytes) -> etree._Element:
    """Parse XML of an unknown peer: no entities, no network, no DTD.

    Raises
    ------
    TransportError
        If it is not well-formed, or has a DTD.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise TransportError("garbage") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise TransportError("garbage")
    return root


def parse_peer_message(document: bytes) -> PeerMessage:
    """Return the content of a peer's Transport document.

    Raises
    ------
    TransportError
        If it is no Transport document of the three namespaces in use, has more elements,
        attributes and entities than one needs, or hides them in an odd encoding.
    """
    plain = document.replace(b"\0", b"")
    n_marks = sum(plain.count(mark) for mark in b"<&=")
    # To parse a DTD of 4 kB takes 20 ms.
    if n_marks > _MAX_MARKS or b"<!DOCTYPE" in plain or not _has_plain_marks(plain):
        raise TransportError("garbage")
    root = parse_xml(document)
    role = root.get("role", "")
    if root.tag not in _ROOTS or role not in _ROLES:
        raise TransportError("garbage")
    origin, response, result = (
        (root.findtext(name) or "").strip()[:_MAX_TEXT_CHARS]
        for name in ("Origin", "Response", "Meta/Result")
    )
    if role != "authenticate":
        return PeerMessage(role, origin, response, result=result)
    params = root.findall("Meta/Param[@name='xpath-filter']")
    old_style = root.findall("Meta/filter[@type='xpath']")
    filters = [param.get("value") or "" for param in params]
    filters += [(element.text or "").strip() for element in old_style]
    tokens = root.findall("Meta/Param[@name='token']")
    token = (tokens[0].get("value") or "") if tokens else ""
    return PeerMessage(role, origin, response, tuple(filters), token=token)


def _has_plain_marks(document: bytes) -> bool:
    """Return whether the marks of a document without its zeros are those of ASCII."""
    text = document.lstrip(_BEFORE_XML)
    declaration = text.partition(b"?>")[0] if text.startswith(b"<?xml") else b""
    declared = _DECLARED.search(declaration)
    return text.startswith(b"<") and (declared is None or declared[1].lower() in _ENCODINGS)


def depth_of(expression: str) -> int:
    """Return how deep predicates of an XPath expression stand inside predicates."""
    depth = deepest = 0
    for character in expression:
        depth += (character == "[") - (character == "]")
        deepest = max(deepest, depth)
    return deepest


def compile_filters(expressions: tuple[str, ...]) -> Filters:
    """Return the filters compiled, for `matches`.

    Raises
    ------
    TransportError
        If one is not XPath 1.0, or too expensive.
    """
    if len(expressions) > MAX_FILTERS:
        raise TransportError("bad_filter")
    for expression in expressions:
        if len(expression) > MAX_FILTER_CHARS or depth_of(expression) > MAX_FILTER_DEPTH:
            raise TransportError("bad_filter")
    try:
        return tuple(etree.XPath(expression, regexp=False) for expression in expressions)
    except (etree.XPathError, ValueError) as error:
        raise TransportError("bad_filter") from error


def matches(filters: Filters, packet: bytes) -> bool:
    """Return whether `packet` passes one of the filters, or there are none.

    An expression that cannot be evaluated on this packet does not match it; nothing matches one
    that is no XML.
    """
    if not filters:
        return True
    try:
        root = parse_xml(packet)
    except TransportError:
        return False
    return any(_matches(one, root) for one in filters)


def _matches(one: etree.XPath, root: etree._Element) -> bool:
    try:
        return bool(one(root))
    except etree.XPathError:
        return False
