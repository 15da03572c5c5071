"""Products and inverses of small matrices are those of numpy's linear algebra."""

import numpy as np
import pytest

from sky.small_matrices import determinants, inverses, products, transformed

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (50, 2, 2), (50, 3, 3), (0, 2, 2)])
def test_an_inverse_times_its_matrix_is_one(shape: tuple[int, ...]) -> None:
    matrices = RNG.normal(size=shape) + 3 * np.eye(shape[-1])
    one = np.broadcast_to(np.eye(shape[-1]), shape)
    np.testing.assert_allclose(products(inverses(matrices), matrices), one, atol=1e-12)


def test_a_singular_matrix_has_no_finite_inverse() -> None:
    for n in (2, 3):
        assert not np.isfinite(inverses(np.ones((n, n)))).any()


@pytest.mark.parametrize(
    ("left", "right"),
    [((3, 3), (3, 40)), ((40, 2, 2), (40, 2, 2)), ((40, 3, 9), (9, 9)), ((1, 3), (3, 4))],
)
def test_products_are_those_of_numpy(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    one, two = RNG.normal(size=left), RNG.normal(size=right)
    np.testing.assert_allclose(products(one, two), one @ two, atol=1e-13)


def test_forms_are_transformed_on_both_sides() -> None:
    forms, by = RNG.normal(size=(9, 9)), RNG.normal(size=(40, 3, 9))
    expected = by @ forms @ by.transpose(0, 2, 1)
    np.testing.assert_allclose(transformed(forms, by), expected, atol=1e-12)


def test_determinants_are_those_of_numpy() -> None:
    matrices = RNG.normal(size=(40, 2, 2))
    np.testing.assert_allclose(determinants(matrices), np.linalg.det(matrices), atol=1e-13)
