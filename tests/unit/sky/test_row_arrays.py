"""Rows that are moved as bytes are those that numpy moves field by field."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from services.associate.models.catalogue import SOURCE_DTYPE, STATISTICS_DTYPE, TRACK_DTYPE
from services.associate.models.change_state import CHANGE_DTYPE
from sky.row_arrays import copy_rows, join_rows, put_rows, take_rows

# With a gap between two fields, too.
PADDED = np.dtype([("flag", "?"), ("value", "f8"), ("pair", "i4", (2,))], align=True)
DTYPES = (SOURCE_DTYPE, STATISTICS_DTYPE, TRACK_DTYPE, CHANGE_DTYPE, PADDED)


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.random.Generator]:
    dtype, n = draw(st.sampled_from(DTYPES)), draw(st.integers(0, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = np.frombuffer(rng.bytes(2 * n * dtype.itemsize), dtype).copy()
    # Every other row, as a field of another table lies in memory.
    return rows[::2] if draw(st.booleans()) else rows[:n], rng


def same(ours: np.ndarray, numpys: np.ndarray) -> bool:
    fields = ours.dtype.names
    return ours.dtype == numpys.dtype and all(
        ours[name].tobytes() == numpys[name].tobytes() for name in fields
    )


@given(tables())
def test_chosen_rows_are_those_of_an_index(table: tuple[np.ndarray, np.random.Generator]):
    rows, rng = table
    for chosen in (
        rng.random(rows.size) < 0.5,
        rng.integers(0, rows.size, 30) if rows.size else np.empty(0, np.int64),
    ):
        assert same(take_rows(rows, chosen), rows[chosen])
    assert same(copy_rows(rows), rows)
    assert same(join_rows([rows, rows[:3], rows[:0]]), np.concatenate([rows, rows[:3]]))


@given(tables())
def test_rows_are_replaced_as_by_an_index(table: tuple[np.ndarray, np.random.Generator]):
    rows, rng = table
    for chosen in (rng.random(rows.size) < 0.5, rng.permutation(rows.size)[:7], slice(None)):
        ours, numpys = rows.copy(), rows.copy()
        values = rows[chosen][::-1].copy()
        put_rows(ours, chosen, values)
        numpys[chosen] = values
        assert same(ours, numpys)


@given(tables())
def test_what_is_taken_is_a_copy(table: tuple[np.ndarray, np.random.Generator]):
    rows, _ = table
    taken = take_rows(rows, np.ones(rows.size, np.bool_))
    assert not np.shares_memory(taken, rows)
    assert not np.shares_memory(copy_rows(rows), rows)


def test_rows_of_other_fields_are_refused():
    rows = np.zeros(2, [("ra", "f8"), ("dec", "f8")])
    others = np.zeros(2, [("dec", "f8"), ("ra", "f8")])
    with pytest.raises(TypeError, match="rows of"):
        put_rows(rows, np.arange(2), others)
    with pytest.raises(TypeError, match="rows of"):
        join_rows([rows, others])
