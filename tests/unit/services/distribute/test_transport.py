"""What subscribers may say."""

import pytest

from services.distribute.errors import TransportError
from services.distribute.steps.transport import (
    build_transport,
    compile_filters,
    frame,
    matches,
    parse_peer_message,
)
from tests.support.vtp import NAMESPACES, transport
from tests.support.vtp_events import alert_packet as packet

BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]><x>&d;&d;&d;&d;</x>"""
THIEF = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>
<t:Transport xmlns:t="%s" role="iamalive"><Origin>&a;</Origin></t:Transport>"""


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("role", ["iamalive", "authenticate", "ack", "nak"])
def test_all_dialects_are_understood(namespace: str, role: str) -> None:
    assert parse_peer_message(transport(role, namespace=namespace)).role == role


def test_our_own_documents_are_understood() -> None:
    for role in ("iamalive", "authenticate"):
        assert parse_peer_message(build_transport(role, "ivo://a&b/<c>")).role == role


def test_filters_of_comet_and_of_older_clients() -> None:
    said = transport("authenticate", filters=("/*[@role='test']", "//Who"))
    assert parse_peer_message(said).filters == ("/*[@role='test']", "//Who")
    old = said.replace(b"<Meta>", b"<Meta><filter type='xpath'> //What </filter>")
    assert "//What" in parse_peer_message(old).filters


@pytest.mark.parametrize(
    "document",
    [
        b"", b"hello", b"\x00" * 50, b"<a/>", b"<" * 1000, BOMB, THIEF % NAMESPACES[0].encode(),
        transport("party"), transport("ack", namespace="urn:else"), b"<a>" * 100_000,
    ],
)  # fmt: skip
def test_garbage_is_refused(document: bytes) -> None:
    with pytest.raises(TransportError, match="garbage"):
        parse_peer_message(document)


def test_filters_decide() -> None:
    data = packet()
    assert matches((), data)
    assert matches(compile_filters(("//Param[@name='snr' and @value>20]",)), data)
    assert not matches(compile_filters(("//Param[@name='snr' and @value>30]",)), data)
    assert matches(compile_filters(("/nothing", "/*[@role='observation']")), data)
    assert not matches(compile_filters(("unknown-function()",)), data)


@pytest.mark.parametrize(
    "expressions",
    [("[[[",), ("/a[b[c[d]]]",), ("a" * 1001,), ("a",) * 17, ("",), ("a\x00b",)],
)
def test_bad_or_expensive_filters_are_refused(expressions: tuple[str, ...]) -> None:
    with pytest.raises(TransportError, match="bad_filter"):
        compile_filters(expressions)


def test_a_frame_is_length_and_document() -> None:
    assert frame(b"abc") == b"\x00\x00\x00\x03abc"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
def test_a_document_type_is_refused_before_it_is_parsed(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(_: bytes) -> None:
        raise AssertionError("it was parsed")

    monkeypatch.setattr("services.distribute.steps.transport.parse_xml", parse)
    entities = f'<!ENTITY % a "{"<!--x-->" * 50}">{"%a;" * 400}'
    text = f"<!DOCTYPE a [{entities}]>{transport('iamalive').decode().partition('?>')[2]}"
    with pytest.raises(TransportError, match="garbage"):
        parse_peer_message(text.encode(encoding))
