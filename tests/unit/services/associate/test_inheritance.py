"""Which splits inherit a light curve."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.associate.steps.inheritance import Claims, find_heirs


def claims(*pairs: tuple[int, float], err: float = 1.0) -> Claims:
    return Claims(
        np.array([source for source, _ in pairs], np.int64),
        np.array([flux for _, flux in pairs], np.float64),
        np.full(len(pairs), err),
    )


def heirs(split: Claims, nearest: Claims, known: list[float]) -> list[bool]:
    flux = np.array(known)
    return find_heirs(split, nearest, known_flux=flux, known_err=np.full(flux.size, 0.3)).tolist()


@pytest.mark.parametrize(
    ("split_flux", "nearest_flux", "inherits"),
    [
        (40.0, 60.0, True),  # a blend that is resolved
        (100.0, 100.0, True),  # the same flux twice
        (102.0, 30.0, True),
        (200.0, 100.0, False),  # a bright new source
        (60.0, 100.0, False),
        (15.0, 100.0, True),  # within the calibration error of the known one
    ],
)
def test_a_split_inherits_what_its_flux_allows(
    split_flux: float,
    nearest_flux: float,
    inherits: bool,  # noqa: FBT001  (a parameter of the test)
) -> None:
    found = heirs(claims((0, split_flux)), claims((0, nearest_flux)), [100.0])
    assert found == [inherits]


def test_a_source_that_was_never_measured_in_the_band_has_no_say() -> None:
    assert heirs(claims((0, 500.0)), claims((0, 3.0)), [np.nan]) == [True]


@given(
    known=st.lists(st.floats(5, 1e3), min_size=1, max_size=6),
    data=st.data(),
)
def test_it_is_what_a_loop_over_the_splits_finds(known: list[float], data: st.DataObject) -> None:
    numbers = st.integers(0, len(known) - 1)
    pair = st.tuples(numbers, st.floats(1, 2e3))
    split = data.draw(st.lists(pair, max_size=8))
    nearest = data.draw(st.lists(pair, max_size=6, unique_by=lambda each: each[0]))
    expected = []
    for source, flux in split:
        mean, all_of_it = known[source], [f for s, f in [*nearest, *split] if s == source]
        floor = 0.3**2 + (0.05 * mean) ** 2
        is_same = abs(flux - mean) <= 5 * (1 + floor) ** 0.5
        is_part = sum(all_of_it) - mean <= 5 * (len(all_of_it) + floor) ** 0.5
        expected.append(is_same or is_part)
    assert heirs(claims(*split), claims(*nearest), known) == expected
