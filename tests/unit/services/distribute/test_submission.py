"""Which VOEvents of other authors pass."""

import re

import pytest

from services.distribute.errors import SubmissionError
from services.distribute.steps.submission import SubmissionValidator
from tests.support.submissions import foreign_packet
from tests.support.vtp import ivorn_of

VALIDATOR = SubmissionValidator("org.test")
SMALL = (
    b'<voe:VOEvent xmlns:voe="http://www.ivoa.net/xml/VOEvent/v2.0" version="2.0" role="test" '
    b'ivorn="%s">%s</voe:VOEvent>'
)


def refusal(packet: bytes) -> SubmissionError:
    with pytest.raises(SubmissionError) as caught:
        VALIDATOR.read_ivorn(packet)
    return caught.value


def test_a_valid_event_passes() -> None:
    packet = foreign_packet()
    assert VALIDATOR.read_ivorn(packet) == ivorn_of(packet)


@pytest.mark.parametrize(
    "ivorn", [b"ivo://org.other/s#1", b"ivo://org.other/s?1", b"ivo://org.other#a/b=2"]
)
def test_both_marks_before_the_local_part_pass(ivorn: bytes) -> None:
    assert VALIDATOR.read_ivorn(SMALL % (ivorn, b"")) == ivorn.decode()


@pytest.mark.parametrize(
    "ivorn",
    [
        b"", b"ivo://org.other/s", b"ivo://org.other/s#", b"ivo://a#1", b"http://org.other/s#1",
        b"ivo://org.other/s#" + 300 * b"1", b"ivo://org.other/s#a b", "ivo://org.other/s#ä".encode(),
    ],
)  # fmt: skip
def test_an_ivorn_without_a_local_part_does_not_pass(ivorn: bytes) -> None:
    assert "#local-id" in str(refusal(SMALL % (ivorn, b"")))


@pytest.mark.parametrize(
    "authority", ["org.test", "ORG.Test", "oRG.tEST"]
)  # an authority has no case
def test_nobody_forges_our_alerts(authority: str) -> None:
    packet = SMALL % (f"ivo://{authority}/night#1".encode(), b"")
    assert "broker's own" in str(refusal(packet))
    who = f"<Who><AuthorIVORN> ivo://{authority}/livetrap </AuthorIVORN></Who>".encode()
    error = refusal(SMALL % (b"ivo://org.other/s#1", who))
    assert "AuthorIVORN" in str(error)
    assert error.ivorn == "ivo://org.other/s#1"


@pytest.mark.parametrize(
    "packet",
    [
        b"", b"hello", b"\xff\xfe<", b"<" * 1000, b"<a>" * 30_000,
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
        + SMALL % (b"ivo://org.other/s#1", b"<Description>&a;</Description>"),
    ],
)  # fmt: skip
def test_what_is_no_plain_xml_does_not_pass(packet: bytes) -> None:
    assert "well-formed" in str(refusal(packet))


def test_the_schema_decides_and_says_where() -> None:
    error = refusal(SMALL % (b"ivo://org.other/s#1", b"\n<Citations/>"))
    assert re.search(r"not valid by the schema of VOEvent 2\.0: .*Citations.*line 2", str(error))
    version = foreign_packet().replace(b'version="2.0"', b'version="2.1"')
    assert "not valid" in str(refusal(version))


def test_an_event_that_makes_filters_expensive_does_not_pass() -> None:
    many = b"<What>" + b'<Param name="a"/>' * 600 + b"</What>"
    assert "more than 500 elements" in str(refusal(SMALL % (b"ivo://org.other/s#1", many)))
