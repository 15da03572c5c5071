"""Cursors of pages: what comes back is what was put in, or it is refused."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import ProblemError
from api.handlers.paging import decode_cursor, encode_cursor


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 2**63 - 1), st.text())
def test_a_cursor_decodes_to_its_values(key: float, number: int, name: str) -> None:
    text = encode_cursor(name, key, number)
    assert decode_cursor(text, str, float, int) == (name, key, number)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_no_cursor_decodes_to_none() -> None:
    assert decode_cursor(None, int) is None


def forged(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "text",
    ["", "x", "ä", "====", "bm90IGpzb24", forged({"a": 1}), forged([1]), forged([1, 2, 3]),
     forged(["1", 2]), forged([True, 1]), forged([1, 2**70]), forged([None, 1]),
     "[" * 5000, forged([10**400, 1]), base64.urlsafe_b64encode(b"[" * 15_000).decode()],
)  # fmt: skip
def test_an_invalid_cursor_is_refused(text: str) -> None:
    with pytest.raises(ProblemError, match="leave it out") as refused:
        decode_cursor(text, float, int)
    assert refused.value.status == 400


def test_an_undefined_number_survives_a_cursor() -> None:
    # PostgreSQL sorts NaN above everything, so a list by eta may begin with it.
    assert str(decode_cursor(encode_cursor(float("nan"), 1), float, int)) == "(nan, 1)"
