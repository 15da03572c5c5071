"""Alerts of Kafka before they are given to anybody: any producer may have written them."""

from lxml import etree

from runtime.errors import RejectedMessageError
from schemas.reasons import MessageReason
from services.distribute.errors import TransportError
from services.distribute.steps.transport import parse_xml

__all__ = ["read_ivorn"]

# As of other authors: Comet accepts no more, and filters take longer the more there is.
_MAX_BYTES = 99_999
_MAX_IVORN_CHARS = 300


def read_ivorn(packet: bytes) -> str:
    """Return the identifier of an alert that every subscriber can read.

    Raises
    ------
    RejectedMessageError
        Codes ``large_voevent`` and ``invalid_voevent``.
    """
    if len(packet) > _MAX_BYTES:
        raise RejectedMessageError(
            MessageReason.LARGE_VOEVENT, f"{len(packet)} bytes, at most {_MAX_BYTES} are sent on"
        )
    try:
        root = parse_xml(packet)
    except TransportError as error:
        raise RejectedMessageError(
            MessageReason.INVALID_VOEVENT, "not well-formed XML without a DTD"
        ) from error
    ivorn = root.get("ivorn", "")
    if etree.QName(root).localname != "VOEvent" or not 0 < len(ivorn) <= _MAX_IVORN_CHARS:
        raise RejectedMessageError(
            MessageReason.INVALID_VOEVENT,
            f"the root is no VOEvent with an ivorn of at most {_MAX_IVORN_CHARS} characters",
        )
    return ivorn
