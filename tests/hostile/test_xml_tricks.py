"""Documents of 4 kB that hide what they cost: encodings, entities, names, instructions."""

import re

import pytest

from services.distribute.errors import TransportError
from services.distribute.steps import transport
from services.distribute.steps.transport import MAX_FRAME_BYTES, parse_peer_message
from tests.support.vtp import transport as message

HONEST = message("iamalive").split(b"?>")[-1].decode()
DTD = "<!DOCTYPE a [" + "".join(f"<!ENTITY e{n} '&e{n - 1};'>" for n in range(1, 60)) + "]><a/>"


def declared(encoding: str, text: str) -> str:
    return f"<?xml version='1.0' encoding='{encoding}'?>{text}"


def in_utf7(text: str) -> bytes:
    """Return a text with its marks in base64, behind a declaration that has none there."""
    hidden = re.sub("[<!&=]+", lambda found: found[0].encode("utf-7").decode(), text)
    return declared("UTF-7", "").encode() + hidden.encode()


# Refused by its bytes: nothing of it is parsed.
UNREAD = {
    "UTF-7": in_utf7(HONEST),
    "a DTD in UTF-7": in_utf7(DTD),
    "a thousand elements in UTF-7": in_utf7("<a>" + "<b/>" * 250 + "</a>"),
    "UTF-7 behind blanks": declared("UTF-7", HONEST).replace(" enc", " " * 500 + "enc").encode(),
    "EBCDIC": declared("IBM037", HONEST).encode("cp037"),
    "EBCDIC without a word": HONEST.encode("cp037"),
    "a DTD in EBCDIC": declared("EBCDIC-CP-US", DTD).encode("cp037"),
    "a DTD in UTF-16": declared("UTF-16", DTD[:900]).encode("utf-16"),
    "a DTD in UTF-32": DTD[:900].encode("utf-32"),
    "a DTD of another host": b"<!DOCTYPE a SYSTEM 'http://127.0.0.1/'><a/>",
    "attributes": b"<a " + b" ".join(b"a%d=''" % n for n in range(500)) + b"/>",
    "references": b"<a>" + b"&#x1F4A5;" * 400 + b"</a>",
    "instructions": b"<?a?>" * 700 + b"<a/>",
    "comments": b"<!---->" * 500 + b"<a/>",
    "sections": b"<a>" + b"<![CDATA[]]>" * 301 + b"</a>",
    "a text": b"VOEvent",
    "nothing": b"",
}  # fmt: skip
# Read, and no message.
READ = {
    "namespaces": b"<a " + b" ".join(b"xmlns:n%d='u:%d'" % (n, n) for n in range(190)) + b"/>",
    "an inclusion": b"<a xmlns:xi='http://www.w3.org/2001/XInclude'>"
    b"<xi:include href='/etc/passwd' parse='text'/></a>",
    "nested namespaces": b"".join(b"<n:a xmlns:n='%d'>" % n for n in range(140)),
    "a long name": b"<" + b"a" * 4000 + b"/>",
    "a zero": b"<a>\0</a>",
    "XML 1.1": b"<?xml version='1.1'?><a>&#1;</a>",
}


@pytest.mark.parametrize("name", UNREAD)
def test_what_hides_its_marks_is_not_parsed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(_: bytes) -> None:
        raise AssertionError("it is parsed")

    monkeypatch.setattr(transport, "parse_xml", parse)
    assert len(UNREAD[name]) <= MAX_FRAME_BYTES
    with pytest.raises(TransportError, match="garbage"):
        parse_peer_message(UNREAD[name])


@pytest.mark.parametrize("name", READ)
def test_what_is_no_message_is_refused(name: str) -> None:
    assert len(READ[name]) <= MAX_FRAME_BYTES
    with pytest.raises(TransportError, match="garbage"):
        parse_peer_message(READ[name])


@pytest.mark.parametrize(
    "document",
    [
        HONEST.encode(),
        declared("utf-8", HONEST).encode(),
        b"\xef\xbb\xbf" + declared("UTF-8", HONEST).encode(),
        declared("US-ASCII", HONEST).encode(),
        declared("iso-8859-1", HONEST).encode(),
        declared("UTF-16", HONEST).encode("utf-16"),
        HONEST.encode("utf-16"),
    ],
)
def test_the_encodings_of_honest_clients_are_read(document: bytes) -> None:
    assert parse_peer_message(document).role == "iamalive"
