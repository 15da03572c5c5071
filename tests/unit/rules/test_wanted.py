"""What a subscription wants: every part must be true."""

import pytest

from rules.wanted import WantedError, parse_wanted
from tests.support.vtp_events import START, source_event

EVENT = source_event()  # at 123.4 +45.6, S/N 25, a Sunday


@pytest.mark.parametrize(
    ("parts", "is_wanted"),
    [
        ({}, True),
        ({"rule": "snr > 20"}, True),
        ({"rule": "snr > 30"}, False),
        ({"cone": (123.4, 45.6, 0.1)}, True),
        ({"cone": (123.4, 46.6, 0.1)}, False),
        ({"moc": "0/0-11"}, True),
        ({"moc": "0/8-11"}, False),
        ({"schedule": "sun 12:00-13:00"}, True),
        ({"schedule": "mon 12:00-13:00"}, False),
        ({"rule": "snr > 20", "cone": (123.4, 45.6, 1.0), "moc": "0/8-11"}, False),
        ({"rule": "matches('nvss', 15)"}, True),
        ({"rule": "not matches('nvss', 15)"}, False),
    ],
)
def test_every_part_must_be_true(parts: dict[str, object], is_wanted: bool) -> None:  # noqa: FBT001
    wanted = parse_wanted(**({"rule": ""} | parts))  # type: ignore[arg-type]
    matches = {match.key: True for match in wanted.matches}
    assert wanted.is_true(EVENT, matches, START) is is_wanted


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"rule": "snr >"}, "rule: not an expression"),
        ({"rule": "nonsense > 1"}, "rule: "),
        ({"moc": "x"}, "moc: "),
        ({"schedule": "x"}, "schedule: "),
    ],
)
def test_a_part_that_is_not_valid_is_refused_with_words(
    parts: dict[str, str], message: str
) -> None:
    with pytest.raises(WantedError, match=message):
        parse_wanted(**({"rule": ""} | parts))


def test_catalogues_and_streams_are_known() -> None:
    wanted = parse_wanted("stream == 'night' and not matches('nvss', 15)")
    assert {match.catalogue for match in wanted.matches} == {"nvss"}
    assert wanted.streams == {"night"}
