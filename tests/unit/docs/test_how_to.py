"""The steps of the how-to pages are enough."""

import pytest

from rules.expression import parse
from rules.predicate import is_true
from rules.quantities import QUANTITIES, Quantity, facts_of
from rules.sql import SqlCondition
from tests.support.vtp_events import source_event


def test_one_entry_makes_a_rule_quantity(monkeypatch: pytest.MonkeyPatch) -> None:
    quantity = Quantity(
        "number",
        "exposure [min]",
        lambda event: event.exposure_s / 60,
        "((event ->> 'exposure_s')::float8 / 60)",
    )
    monkeypatch.setitem(QUANTITIES, "exposure_min", quantity)
    rule = parse("exposure_min >= 2")
    assert is_true(rule, facts_of(source_event(exposure_s=120.0)))
    assert not is_true(rule, facts_of(source_event(exposure_s=119.0)))
    assert quantity.sql in SqlCondition().of(rule)
