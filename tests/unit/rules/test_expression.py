"""The language of the rules: what is valid, what is not, and what the message says then."""

import math
from typing import Any

import pytest

from rules.expression import RuleError, parse
from rules.predicate import is_true
from rules.quantities import facts_of
from tests.support.vtp_events import source_event


def holds(text: str, **changes: Any) -> bool:
    return is_true(parse(text), facts_of(source_event(**changes)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("snr >= 25", True),
        ("snr > 25", False),
        ("25 <= snr < 26", True),
        ("kind == 'new_source' and not is_edge", True),
        ("kind != 'new_source' or stream in ['night', 'day']", True),
        ("stream not in ('night',)", False),
        ("flux_int_jy > flux_peak_jy_beam", True),
        ("excess > 4.99 and excess < 5.01", True),
        ("within(123.4, 45.6, 0.001)", True),
        ("within(-236.6, 45.6, 0.001)", True),
        ("within(123.4, 46.6, 0.5)", False),
        ("dec > -90 and ra < +360", True),
        ("n_bands in [1, 2, 3]", True),
        ("\n  snr > 8\n  and dec > 0\n", True),
    ],
)
def test_the_meaning_of_an_expression(text: str, *, expected: bool) -> None:
    assert holds(text) is expected


@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("text", ["eta > 0", "eta <= 0", "eta == 0", "eta != 0", "eta in [0]"])
def test_no_comparison_with_a_missing_quantity_is_true(text: str, missing: float) -> None:
    assert not holds(text, eta=missing)
    assert holds(f"not ({text})", eta=missing)


def test_a_flag_is_a_bit() -> None:
    assert holds("is_near_bright and is_edge and not is_blended", quality_flags=33)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not an expression"),
        ("snr >", "at character"),
        ("snr > 8 and", "not an expression"),
        ("snr", "compare it with a value"),
        ("snr == 'high'", "cannot compare a number with a text"),
        ("kind > 'a'", "== and != only"),
        ("sigma > 8", "`livetrap rules quantities` lists them"),
        ("8 > 7", "one side must be a quantity"),
        ("snr > 8 + 1", "expected a quantity, a number or a text"),
        ("is_edge == 1", "is a flag"),
        ("__import__('os').system('x')", "the only functions are"),
        ("snr.real > 1", "expected a quantity"),
        ("(lambda: 1)()", "the only functions are"),
        ("snr is 8", "use =="),
        ("snr in 8", "`in` needs a list"),
        ("snr in ['a']", "so must be every value"),
        ("snr > 1e999", "finite"),
        ("snr > True", "finite number"),
        ("snr > 10**400", "expected a quantity"),
        ("within(1, 2)", "within(ra, dec, radius)"),
        ("within(1, 95, 2)", "-90 to 90"),
        ("within(ra=1, dec=2, radius=3)", "without names"),
        ("matches(nvss, 15)", "no known quantity"),
        ("matches('nvss', 99999)", "3600"),
        ("kind == 'a\\x00'", "null character"),
        ("not " * 50 + "is_edge", "nested deeper"),
        ("(" * 300 + "is_edge" + ")" * 300, "not an expression"),
        ("is_edge " * 600, "longer than"),
        ("snr > 8; snr > 9", "not an expression"),
    ],
)
def test_an_invalid_expression_is_explained(text: str, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse(text)
    assert message in str(caught.value)


def test_the_position_of_an_error_is_quoted() -> None:
    with pytest.raises(RuleError, match=r"at `sigma > 9`"):
        parse("snr > 8 and sigma > 9")
