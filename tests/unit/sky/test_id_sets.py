"""Sets of integers are those of numpy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sky.id_sets import is_in, unique_ids

_IDS = st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3))


@given(_IDS)
def test_distinct_integers_come_in_ascending_order(values: list[int]) -> None:
    assert unique_ids(values).tolist() == sorted(set(values))


@given(_IDS, _IDS)
def test_integers_are_found_among_others(values: list[int], ids: list[int]) -> None:
    assert is_in(values, ids).tolist() == [each in ids for each in values]
    assert is_in(np.array(values, np.int64), np.array(ids, np.int64)).dtype == np.bool_
