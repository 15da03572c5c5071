"""Products and inverses of small matrices with the same bits on every processor.

BLAS and LAPACK, which numpy takes for ``@`` and ``linalg``, have other kernels for processors with
other vectors, whose last digits differ; ``einsum`` and written formulas do not.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["determinants", "inverses", "products", "transformed"]

FloatArray = npt.NDArray[np.float64]


def products(left: FloatArray, right: FloatArray) -> FloatArray:
    """Return the matrix products of (..., i, j) and (..., j, k) float64."""
    return np.asarray(np.einsum("...ij,...jk->...ik", left, right), np.float64)


def transformed(forms: FloatArray, by: FloatArray) -> FloatArray:
    """Return (..., k, l): quadratic forms (..., i, j) as A F A^T, with A (..., k, i) `by`."""
    return products(products(by, forms), np.swapaxes(by, -1, -2))


def determinants(matrices: FloatArray) -> FloatArray:
    """Return the determinants of (..., 2, 2) float64."""
    diagonal = matrices[..., 0, 0] * matrices[..., 1, 1]
    return np.asarray(diagonal - matrices[..., 0, 1] * matrices[..., 1, 0])


def inverses(matrices: FloatArray) -> FloatArray:
    """Return the inverses of matrices of two or three rows.

    Parameters
    ----------
    matrices : (..., 2, 2) or (..., 3, 3) float64
        Well-conditioned; a singular one gives values that are not finite.

    Returns
    -------
    float64 array
        Of the same shape.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if matrices.shape[-1] == 2:
            return np.asarray(_adjugate(matrices) / determinants(matrices)[..., None, None])
        rows = [matrices[..., row, :] for row in range(3)]
        columns = [np.cross(rows[(row + 1) % 3], rows[(row + 2) % 3]) for row in range(3)]
        determinant = np.sum(rows[0] * columns[0], axis=-1)
        return np.asarray(np.stack(columns, axis=-1) / determinant[..., None, None])


def _adjugate(matrices: FloatArray) -> FloatArray:
    result = np.empty_like(matrices)
    result[..., 0, 0], result[..., 1, 1] = matrices[..., 1, 1], matrices[..., 0, 0]
    result[..., 0, 1], result[..., 1, 0] = -matrices[..., 0, 1], -matrices[..., 1, 0]
    return result
