"""Which VOEvents of other authors are relayed to the subscribers."""

import re
import unicodedata
from html import unescape
from urllib.parse import unquote

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
_NOT_IN_AUTHORITY = re.compile(r"[^a-z0-9._~-]+")
# Control and format characters, such as a space without width.
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\xa0\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
# Marks that turn the direction of what follows: it reads as another text.
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Before letters beyond ASCII that are written in ASCII (RFC 3492).
_PUNYCODE = "xn--"
_ENCODINGS = frozenset({None, "UTF-8", "US-ASCII", "ASCII"})
# Only who sent an alert may take it back.
_OWN_CITES = frozenset({"retraction", "supersedes"})
# Layers of percent-encoding and of character references that are undone.
_MAX_DECODINGS = 5
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
        self._authority = authority.casefold().strip(".")
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
        encoding = root.getroottree().docinfo.encoding
        if (encoding and encoding.upper()) not in _ENCODINGS or not _is_utf8(packet):
            raise SubmissionError(f"encoded in {encoding or 'UTF-16'}; send UTF-8", ivorn)
        if sum(1 for _ in root.iter()) > _MAX_ELEMENTS:
            raise SubmissionError(
                f"more than {_MAX_ELEMENTS} elements; put what is long behind a Reference", ivorn
            )
        self._check_schema(root, ivorn)
        for author in root.findall("Who/AuthorIVORN"):
            if self._is_own(_text_of(author)):
                raise self._reserved("AuthorIVORN", ivorn)
        self._check_citations(root, ivorn)
        return ivorn

    def _check_ivorn(self, ivorn: str) -> None:
        found = _IVORN.fullmatch(ivorn)
        if found is None or len(ivorn) > _MAX_IVORN_CHARS:
            raise SubmissionError(
                "the root's ivorn is not like ivo://authority/stream#local-id "
                f"(at most {_MAX_IVORN_CHARS} characters)",
                ivorn[:_MAX_IVORN_CHARS],
            )
        if self._is_own(found["authority"]):
            raise self._reserved("ivorn", ivorn)

    def _check_schema(self, root: etree._Element, ivorn: str) -> None:
        try:
            self._schema.assertValid(root)
        except etree.DocumentInvalid as error:
            reason = _UNPRINTABLE.sub(" ", str(error))[:_MAX_REASON_CHARS]
            raise SubmissionError(
                f"not valid by the schema of VOEvent 2.0: {reason}", ivorn
            ) from error

    def _check_citations(self, root: etree._Element, ivorn: str) -> None:
        """Refuse what takes back an alert of this broker; a follow-up may cite it."""
        for cited in root.findall("Citations/EventIVORN"):
            if cited.get("cite") in _OWN_CITES and self._is_own(_text_of(cited)):
                raise SubmissionError(
                    f"it cites an alert of this broker as {cited.get('cite')}; only its author "
                    "may do so, cite it as followup",
                    ivorn,
                )

    def _is_own(self, identifier: str) -> bool:
        """Return whether an identifier names the authority of this broker, in any spelling.

        One that is still encoded, turns the direction of reading, or has letters that only look
        like those of ASCII, may.
        """
        for _ in range(_MAX_DECODINGS):
            identifier = unescape(unquote(identifier))
        if _TURNING.search(identifier) or _PUNYCODE in identifier.casefold():
            return True
        plain = "".join(unicodedata.normalize("NFKC", identifier).split()).casefold()
        plain = _INVISIBLE.sub("", plain)
        if not plain.isascii() or unescape(unquote(plain)) != plain:
            return True
        return self._authority in (part.strip(".") for part in _NOT_IN_AUTHORITY.split(plain))

    def _reserved(self, what: str, ivorn: str) -> SubmissionError:
        return SubmissionError(
            f"the authority {self._authority} in the {what} is this broker's own, or a spelling "
            "that may be taken for it; use yours",
            ivorn,
        )


def _is_utf8(packet: bytes) -> bool:
    """Return whether bytes are UTF-8: a byte order mark, too, makes them UTF-16."""
    try:
        packet.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text_of(element: etree._Element) -> str:
    return etree.tostring(element, method="text", encoding="unicode", with_tail=False)
