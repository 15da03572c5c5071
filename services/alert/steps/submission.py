"""What a VOEvent of another author must be, before our subscribers get it."""

import re

from lxml import etree

from schemas.voevent import load_voevent_schema
from services.alert.steps.transport import TransportError, parse_xml

__all__ = ["MAX_SUBMISSION_BYTES", "SubmissionError", "SubmissionValidator"]

# Comet's limit, and what its subscribers take.
MAX_SUBMISSION_BYTES = 99_999
# A subscriber's filter may cost the cube of it.
_MAX_ELEMENTS = 500
_LONGEST_IVORN = 300
_LONGEST_TEXT = 250
# IVOA Identifiers 2.0, as Comet reads it; 2.1 of VOEvent wants `?` where 2.0 has `#`.
_IVORN = re.compile(
    r"ivo://(?P<authority>[A-Za-z0-9][\w\-.~*'()]{2,})(?:/[\w\-.~*'()/]*)?"
    r"[#?](?P<local>[\w\-.~*'()+=/%!$&,;:@?]+)",
    re.ASCII,
)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


class SubmissionError(Exception):
    """It is not taken; its text says what is wrong and how to mend it.

    Parameters
    ----------
    words : str
        For the author.
    ivorn : str
        Of the event, as far as it is known.
    outcome : str
        ``refused``, ``seen`` or ``later``.
    """

    def __init__(self, words: str, ivorn: str = "", *, outcome: str = "refused") -> None:
        super().__init__(words)
        self.ivorn = ivorn
        self.outcome = outcome


class SubmissionValidator:
    """Lets valid VOEvents of other authorities in.

    Not for several threads at once: it has a schema of its own, which keeps its last error.

    Parameters
    ----------
    authority : str
        Ours: nobody else may speak in its name.
    """

    def __init__(self, authority: str) -> None:
        self._authority = authority.casefold()
        self._schema = load_voevent_schema()

    def read_ivorn(self, packet: bytes) -> str:
        """Return the name of an event that may pass.

        Raises
        ------
        SubmissionError
            If it may not.
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
            raise self._is_ours("AuthorIVORN", ivorn)
        return ivorn

    def _check_ivorn(self, ivorn: str) -> None:
        found = _IVORN.fullmatch(ivorn)
        if found is None or len(ivorn) > _LONGEST_IVORN:
            raise SubmissionError(
                "the root's ivorn is not like ivo://authority/stream#local-id "
                f"(at most {_LONGEST_IVORN} characters)",
                ivorn[:_LONGEST_IVORN],
            )
        if found["authority"].casefold() == self._authority:
            raise self._is_ours("ivorn", ivorn)

    def _check_schema(self, root: etree._Element, ivorn: str) -> None:
        try:
            self._schema.assertValid(root)
        except etree.DocumentInvalid as error:
            words = _UNPRINTABLE.sub(" ", str(error))[:_LONGEST_TEXT]
            raise SubmissionError(
                f"not valid by the schema of VOEvent 2.0: {words}", ivorn
            ) from error

    def _is_ours(self, what: str, ivorn: str) -> SubmissionError:
        return SubmissionError(
            f"the authority {self._authority} in the {what} is this broker's own; use yours", ivorn
        )
