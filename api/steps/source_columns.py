"""The running catalogue as arrays that a browser reads without parsing a number."""

import gzip
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["encode_columns"]

# Name, as PostgreSQL sends it, as sent on; in this order each begins at a multiple of its size.
_COLUMNS = (
    ("id", ">i8", "<f8"),  # JavaScript has no 64-bit integers; exact up to 2**53
    ("ra", ">f8", "<f8"),
    ("dec", ">f8", "<f8"),
    ("eta", ">f8", "<f8"),
    ("v", ">f8", "<f8"),
    ("n_datapoints", ">i4", "<i4"),
    ("flags", ">i4", "u1"),
)
_ALIGNED_BYTES = 8
# Numbers of measurements hardly compress: a higher level costs time and saves little.
_LEVEL = 1


def encode_columns(row: Mapping[str, Any], *, compress: bool) -> bytes:
    """Return the row of ``get_source_columns`` as a line of JSON and its arrays, by id.

    Parameters
    ----------
    row : mapping
        Row of the query; `as_of` is put into the line.
    compress : bool
        As gzip.
    """
    found = {name: np.frombuffer(row[name], sent) for name, sent, _ in _COLUMNS}
    order = np.argsort(found["id"])
    arrays = [(name, kind, found[name][order].astype(kind)) for name, _, kind in _COLUMNS]
    head = json.dumps(
        {
            "n": int(row["n"]),
            "as_of": row["as_of"] and row["as_of"].isoformat().replace("+00:00", "Z"),
            "columns": [[name, np.dtype(kind).name] for name, kind, _ in arrays],
        }
    )
    head += " " * (-(len(head) + 1) % _ALIGNED_BYTES) + "\n"
    body = b"".join([head.encode(), *(values.tobytes() for _, _, values in arrays)])
    return gzip.compress(body, _LEVEL, mtime=0) if compress else body
