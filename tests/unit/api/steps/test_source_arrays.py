"""The running catalogue as arrays: what is read is what was sent."""

import gzip
import json
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pytest

from api.steps.source_columns import encode_columns

AS_OF = datetime(2026, 11, 27, 10, tzinfo=UTC)


def row_of(n: int) -> tuple[dict[str, object], dict[str, npt.NDArray[np.float64]]]:
    """Return a row as PostgreSQL gives it, and its values by id."""
    rng = np.random.default_rng(n)
    values = {
        "id": rng.permutation(n) + 2**40, "ra": rng.uniform(0, 360, n),
        "dec": rng.uniform(-90, 90, n), "eta": np.where(rng.random(n) < 0.3, np.nan, 1.5),
        "v": rng.random(n), "n_datapoints": rng.integers(0, 2**31 - 1, n),
        "flags": rng.integers(0, 4, n),
    }  # fmt: skip
    kinds = {"id": ">i8", "n_datapoints": ">i4", "flags": ">i4"}
    row = {name: each.astype(kinds.get(name, ">f8")).tobytes() for name, each in values.items()}
    order = np.argsort(values["id"])
    return {"n": n, "as_of": AS_OF, **row}, {name: each[order] for name, each in values.items()}


@pytest.mark.parametrize("n", [0, 1, 7, 1000])
@pytest.mark.parametrize("compress", [False, True])
def test_arrays_are_by_id_and_begin_where_a_browser_can_read_them(
    n: int, *, compress: bool
) -> None:
    row, wanted = row_of(n)
    body = encode_columns(row, compress=compress)
    body = gzip.decompress(body) if compress else body
    place = body.index(b"\n") + 1
    head = json.loads(body[:place])
    assert (head["n"], head["as_of"]) == (n, "2026-11-27T10:00:00Z")
    for name, kind in head["columns"]:
        dtype = np.dtype(kind).newbyteorder("<")
        assert place % dtype.itemsize == 0
        found = np.frombuffer(body, dtype, n, place)
        np.testing.assert_array_equal(found, wanted.pop(name))
        place += found.nbytes
    assert place == len(body)
    assert not wanted


def test_before_the_first_copy_nothing_has_a_time() -> None:
    row, _ = row_of(0)
    body = encode_columns({**row, "as_of": None}, compress=False)
    assert json.loads(body)["as_of"] is None
