"""Which VOEvents of other authors are relayed to the subscribers."""

import re

from lxml import etree

from schemas.voevent import load_voevent_schema
from services.distribute.errors import SubmissionError, TransportError
from services.distribute.steps.transport import parse_xml

__all__ = ["MAX_SUBMISSION_BYTES", "SubmissionValidator"]

# The limit of Comet, for events that it receives and for those that its subscribers accept.
MAX_SUBMISSION_BYTES = 99_999
# The work of a subscriber's XPath filter may grow with the cube of this number.
_MAX_ELEMENTS = 500
_MAX_IVORN_CHARS = 300
_MAX_REASON_CHARS = 250
# IVOA Identifiers 2.0, as Comet reads it; VOEvent 2.1 has `?` where 2.0 has `#`.
_IVORN = re.compile(
    r"ivo://(?P<authority>[A-Za-z0-9][\w\-.~*'()]{2,})(?:/[\w\-.~*'()/]*)?"
    r"[#?](?P<local>[\w\-.~*'()+=/%!$&,;:@?]+)",
    re.ASCII,
)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


class SubmissionValidator:
    """Accepts valid VOEvents of other authorities.

    Not for several threads at once: the schema keeps the errors of its last validation.

    Parameters
    ----------
    authority : str
        Authority of this installation; events of other authors under it are refused.
    """

    def __init__(self, authority: str) -> None:
        self._authority = authority.casefold()
        self._schema = load_voevent_schema()

    def read_ivorn(self, packet: bytes) -> str:
        """Return the identifier of an event that is accepted.

        Raises
        ------
        SubmissionError
            If it is refused.
        """
        try:
            root = parse_xml(packet)
        except TransportError as error:
            raise SubmissionError("not well-formed XML without a DTD") from error
        ivorn = root.get("ivorn") or ""
        self._check_ivorn(ivorn)
        if sum(1 for _ in root.iter()) > _MAX_ELEMENTS:
            raise SubmissionError(
                f"more than {_MAX_ELEMENTS} elements; put what is long behind a Reference", ivorn
            )
        self._check_schema(root, ivorn)
        author = (root.findtext("Who/AuthorIVORN") or "").strip().casefold()
        if author.removeprefix("ivo://").split("/")[0] == self._authority:
            raise self._reserved("AuthorIVORN", ivorn)
        return ivorn

    def _check_ivorn(self, ivorn: str) -> None:
        found = _IVORN.fullmatch(ivorn)
        if found is None or len(ivorn) > _MAX_IVORN_CHARS:
            raise SubmissionError(
                "the root's ivorn is not like ivo://authority/stream#local-id "
                f"(at most {_MAX_IVORN_CHARS} characters)",
                ivorn[:_MAX_IVORN_CHARS],
            )
        if found["authority"].casefold() == self._authority:
            raise self._reserved("ivorn", ivorn)

    def _check_schema(self, root: etree._Element, ivorn: str) -> None:
        try:
            self._schema.assertValid(root)
        except etree.DocumentInvalid as error:
            reason = _UNPRINTABLE.sub(" ", str(error))[:_MAX_REASON_CHARS]
            raise SubmissionError(
                f"not valid by the schema of VOEvent 2.0: {reason}", ivorn
            ) from error

    def _reserved(self, what: str, ivorn: str) -> SubmissionError:
        return SubmissionError(
            f"the authority {self._authority} in the {what} is this broker's own; use yours", ivorn
        )
