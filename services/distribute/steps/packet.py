"""Alerts of Kafka before they are given to anybody: any producer may have written them."""

from lxml import etree

from runtime.errors import RejectedMessageError
from schemas.reasons import MessageReason
from schemas.voevent import load_voevent_schema
from services.distribute.errors import TransportError
from services.distribute.steps.transport import parse_xml

__all__ = ["MAX_IVORN_CHARS", "OwnPackets", "read_ivorn"]

# As of other authors: Comet accepts no more, and filters take longer the more there is.
_MAX_BYTES = 99_999
MAX_IVORN_CHARS = 300


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
    if etree.QName(root).localname != "VOEvent" or not 0 < len(ivorn) <= MAX_IVORN_CHARS:
        raise RejectedMessageError(
            MessageReason.INVALID_VOEVENT,
            f"the root is no VOEvent with an ivorn of at most {MAX_IVORN_CHARS} characters",
        )
    return ivorn


class OwnPackets:
    """Tells packets of this installation by what they say.

    Not for several threads at once: the schema keeps the errors of its last validation.

    Parameters
    ----------
    authority : str
        Authority of its ivorns.
    """

    def __init__(self, authority: str) -> None:
        self._start = f"ivo://{authority}/"
        self._schema = load_voevent_schema()

    def check(self, packet: bytes) -> None:
        """Refuse a packet that is no valid VOEvent of this installation.

        Raises
        ------
        RejectedMessageError
            Codes ``unknown_alert``, ``large_voevent`` and ``invalid_voevent``.
        """
        ivorn = read_ivorn(packet)
        if not ivorn.startswith(self._start):
            raise RejectedMessageError(
                MessageReason.UNKNOWN_ALERT, f"{ivorn} does not begin with {self._start}"
            )
        try:
            self._schema.assertValid(parse_xml(packet))
        except etree.DocumentInvalid as error:
            raise RejectedMessageError(
                MessageReason.INVALID_VOEVENT, f"not VOEvent 2.0: {error}"
            ) from error
