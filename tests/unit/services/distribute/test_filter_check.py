"""Filters that can never match are refused in words; the ones that people use are not."""

import pytest

from services.distribute.steps.filter_check import check_filters
from services.distribute.steps.filter_queue import FilterQueue
from services.distribute.steps.transport import compile_filters, matches
from tests.support.vtp_events import alert_packet

USUAL = [
    "//Param[@name='snr' and @value>10]",
    '//Param[@name="SC_Lat"]/@value > 600',
    "/*[@role='test']",
    '/*[local-name()="VOEvent" and @role!="test"]',
    "//Who/Author[shortName='VO-GCN']",
    "//What//Param[contains(@name, 'flux:peak') or starts-with(@ucd, 'phot.flux')]",
    "descendant-or-self::node()/child::Param[not(@name = 'a')]",
    "count(//Param) > 3 and string-length(normalize-space(//Description)) >= 0",
    "//Why[@importance > .5] | //Citations/EventIVORN[@cite='retraction']",
    "boolean(//Param[@value mod 2 = 1 and (@name = 're:match(' or @name = 'x')])",
    "//*[@xml:lang='en']",
]


@pytest.mark.parametrize("expression", USUAL)
def test_what_people_use_is_accepted(expression: str) -> None:
    assert check_filters((expression,)) == ""
    assert matches(compile_filters((expression,)), alert_packet()) in (True, False)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("/voe:VOEvent", "prefix voe"),
        ("//voe:*[@role='test']", "prefix voe"),
        ("//Param[@name='x']/self::voe:Param", "prefix voe"),
        ("//Param[re:match(@name, 'snr.*')]", "prefix re"),
        ("//Nothing[matches(@name, 'snr')]", r"matches\(\) is no function"),
        ("//Param[ends-with(@name, 'r')]", r"ends-with\(\) is no function"),
        ("//Param[@name='snr' and", "not XPath 1.0"),
        ("//Param[@value > $limit]", "cannot be evaluated"),
        ("a" * 1001, "1001 characters"),
        ("/a[b[c[d]]]", "deeper than 2"),
        ("", "not XPath 1.0"),
    ],
)
def test_an_expression_that_can_never_match_is_refused(expression: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        assert not (defect := check_filters((expression,))), defect


def test_too_many_filters_are_told() -> None:
    assert "17 filters" in check_filters(("//a",) * 17)


def test_the_address_that_used_least_is_first() -> None:
    queue: FilterQueue[int] = FilterQueue()
    queue.charge("greedy", 5.0, 0.0)
    for number in range(3):
        queue.add("greedy", number)
    queue.add("honest", 10)
    assert queue.take(1.0) == ("honest", 10)
    assert [queue.take(1.0) for _ in range(4)] == [("greedy", n) for n in range(3)] + [None]


def test_addresses_that_used_as_much_take_turns() -> None:
    queue: FilterQueue[int] = FilterQueue()
    for number in range(2):
        for party in "ab":
            queue.add(party, number)
    assert [queue.take(0.0) for _ in range(4)] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def test_usage_decays_with_time() -> None:
    queue: FilterQueue[int] = FilterQueue()
    queue.charge("once", 5.0, 0.0)
    queue.charge("now", 0.1, 7200.0)
    queue.add("now", 1)
    queue.add("once", 2)
    assert queue.take(7200.0) == ("once", 2)
