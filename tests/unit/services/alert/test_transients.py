"""The handler: which events become alerts, and which are rejected."""

from collections import Counter
from dataclasses import replace

import pytest

from rules.rule_set import parse_rules
from runtime.errors import FatalError
from schemas.codec import encode_source_event
from tests.support.alert_handler import EVENTS, TOPICS, Servers, make_handler
from tests.support.vtp_events import source_event

pytestmark = pytest.mark.usefixtures("cheap_packets", "events_of_a_part")


@pytest.mark.parametrize("size", [1, 2, 6])
async def test_an_event_becomes_one_alert_everywhere(size: int) -> None:
    servers = Servers()
    handler = make_handler(servers)
    values = [*EVENTS, *EVENTS]
    for first in range(0, len(values), size):
        assert await handler.on_events(values[first : first + size]) == [None] * size
    expected = [row.ivorn for row in servers.rows.values()]
    assert len(expected) == len(EVENTS)
    assert servers.kafka == dict.fromkeys(TOPICS, expected)


@pytest.mark.parametrize("size", [1, 3])
async def test_nothing_is_stored_or_sent_about_events_of_another_cluster(size: int) -> None:
    servers = Servers(is_replaced=True)
    with pytest.raises(FatalError, match="taken the port"):
        await make_handler(servers).on_events(EVENTS[:size])
    assert not servers.rows
    assert servers.kafka == {name: [] for name in TOPICS}


async def test_revisions_of_a_family_count_up() -> None:
    servers = Servers()
    first = source_event()
    events = [
        replace(first, event_id=f"{number:032x}", kind=kind, eta=9.0, v=1.0)
        for number, kind in enumerate(["new_source", "variable"])
    ]
    await make_handler(servers).on_events([encode_source_event(event) for event in events])
    assert [row.ivorn[-2:] for row in servers.rows.values()] == [".0", ".1"]


async def test_an_event_that_no_rule_wants_leaves_nothing() -> None:
    servers = Servers()
    rules = parse_rules("[[rule]]\nname = 'bright'\nwhen = 'snr > 30'", "test")
    assert await make_handler(servers, rules=rules).on_events(EVENTS[:1]) == [None]
    assert not servers.rows
    assert servers.kafka == {name: [] for name in TOPICS}


@pytest.mark.parametrize("value", [b"", b"garbage", EVENTS[0][:-3], EVENTS[0] + b"x"])
async def test_a_record_that_is_no_event_is_rejected_and_the_others_follow(value: bytes) -> None:
    servers = Servers()
    rejections = await make_handler(servers).on_events([EVENTS[0], value, EVENTS[1]])
    assert [each and each.reason_code for each in rejections] == [None, "bad_avro", None]
    assert len(servers.rows) == 2


async def test_an_event_without_a_position_is_rejected() -> None:
    values = [encode_source_event(source_event(dec=91.0))]
    (rejection,) = await make_handler(Servers()).on_events(values)
    assert rejection is not None
    assert rejection.reason_code == "bad_position"


async def test_an_event_that_the_database_rejects_does_not_affect_the_others() -> None:
    servers = Servers(unstorable={source_event(1).trig_id})
    rejections = await make_handler(servers).on_events(EVENTS)
    assert [each and each.reason_code for each in rejections] == [None, "unstorable", None]
    stored = [row.ivorn for row in servers.rows.values()]
    assert all(log == stored for log in servers.kafka.values())
    assert len(servers.rows) == 2


@pytest.mark.parametrize(
    ("n_failures", "reason"), [(1, None), (2, "internal_error"), (9, "internal_error")]
)
@pytest.mark.parametrize("size", [1, 3])
async def test_an_unexpected_exception_is_tried_once_more_and_then_ends_one_event(
    n_failures: int, reason: str | None, size: int
) -> None:
    servers = Servers(defects=Counter({source_event(1).trig_id: n_failures}))
    handler = make_handler(servers)
    rejections = []
    for first in range(0, len(EVENTS), size):
        rejections += await handler.on_events(EVENTS[first : first + size])
    assert [each and each.reason_code for each in rejections] == [None, reason, None]
    stored = [row.ivorn for row in servers.rows.values()]
    assert len(stored) == (3 if reason is None else 2)
    assert all(log == stored for log in servers.kafka.values())
