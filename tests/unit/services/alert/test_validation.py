"""What is validated in parts, and once for many packets, is what is validated as a whole."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import RejectedMessageError
from services.alert.steps import validation
from services.alert.steps.validation import assert_parts_valid, assert_valid
from tests.support.vtp_events import alert_packet

PACKET = alert_packet().decode()
TEXTS = (
    st.text(st.characters(codec="utf-8"), max_size=20)
    | st.sampled_from(
        ["", '"', "&", "&amp;", "&#0;", "<", "]]>", "\x00", "\x1f", "\ufffe", "<TD>"]
    )
    | st.text('<>&"/ =valueTDPrm', max_size=40)
)
# Where a text may get into a packet: a value, its name, its type, a cell, numbers, dates, tags.
PLACES = [
    'value="', 'name="snr', 'dataType="', "<TD>", "<C1>", "<Date>", 'expires="', 'importance="',
    "<Group", "<What>", "</What>", "<Who>", "<Why", "<voe:VOEvent", "<ISOTime>",
]  # fmt: skip
WITH_TABLE = PACKET.replace(
    "</What>",
    '<Table name="bands"><Field name="a"/><Data><TR><TD>1.5</TD></TR></Data></Table></What>',
)


def parts_of(packet: str) -> tuple[str, str, str]:
    start, end = packet.index("<What>"), packet.rindex("</What>") + len("</What>")
    return packet[:start], packet[start:end], packet[end:]


def reason_of(check: Callable[[], None]) -> str | None:
    try:
        check()
    except RejectedMessageError as error:
        return error.reason_code
    return None


@given(place=st.sampled_from(PLACES), text=TEXTS, at=st.integers(0, 50))
def test_parts_are_valid_where_the_whole_is(place: str, text: str, at: int) -> None:
    places = [n for n in range(len(WITH_TABLE)) if WITH_TABLE.startswith(place, n)]
    end = places[at % len(places)] + len(place)
    packet = f"{WITH_TABLE[:end]}{text}{WITH_TABLE[end:]}"
    before, what, after = parts_of(packet)
    reason = reason_of(lambda: assert_valid(packet.encode()))
    assert reason_of(lambda: assert_parts_valid(before, what, after)) == reason


def test_facts_that_differ_in_texts_alone_are_validated_once() -> None:
    for number in range(20):
        alert_packet(number)
    before = validation._assert_facts_valid.cache_info()
    for number in range(100):
        alert_packet(number, snr=9.0 + number, telescope=f"dish {number}")
    after = validation._assert_facts_valid.cache_info()
    assert (after.hits - before.hits, after.misses - before.misses) == (100, 0)


@pytest.mark.parametrize("bad", ["&", "\x01", "<", '"'])
def test_a_text_that_is_not_xml_is_refused_after_others_were_accepted(bad: str) -> None:
    before, what, after = parts_of(WITH_TABLE)
    assert_parts_valid(before, what, after)
    for place in ('value="', "<TD>"):
        if (place, bad) == ("<TD>", '"'):
            continue
        with pytest.raises(RejectedMessageError, match=r"not VOEvent 2\.0"):
            assert_parts_valid(before, what.replace(place, place + bad, 1), after)
