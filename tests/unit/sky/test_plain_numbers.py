"""Numbers that strangers write are read as they meant them, or refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.steps.monitor_lists import MonitorListError, read_monitor_list
from api.steps.observations import parse_span
from sky.plain_numbers import parse_number
from sky.regions import RegionError, parse_region

_OF_PYTHON = ["1_0", "1_0.5", "\u0661\u0662", "\uff11\uff12", "1e1_0"]


@given(st.floats(allow_nan=False))
def test_every_number_comes_back(number: float) -> None:
    assert parse_number(repr(number)) == number


def test_a_blank_value_is_a_number() -> None:
    assert math.isnan(parse_number("nan"))


@pytest.mark.parametrize("text", _OF_PYTHON)
def test_numbers_of_python_alone_are_refused_everywhere(text: str) -> None:
    with pytest.raises(ValueError, match="is no number"):
        parse_number(text)
    with pytest.raises(RegionError, match="is no number"):
        parse_region(f"CIRCLE {text} 1 1")
    with pytest.raises(ValueError, match="write a number"):
        parse_span("TIME", text)
    with pytest.raises(MonitorListError, match="give a number"):
        read_monitor_list(f"name,ra,dec\na,{text},1\n".encode(), "text/csv")
