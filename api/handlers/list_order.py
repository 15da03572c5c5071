"""Orders of the lists of images and transients: by any of their quantities, in both directions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from pydantic import WithJsonSchema

from api.errors import ProblemError
from api.handlers.paging import decode_cursor, decode_time, encode_cursor

__all__ = ["ImageOrder", "ListOrder", "TransientOrder"]

_Direction = Annotated[
    Literal["asc", "desc"], Query(description="Direction: smallest first, or greatest first")
]


@dataclass(frozen=True, slots=True)
class ListOrder:
    """The order of a list.

    Parameters
    ----------
    sort : str
        Column that orders it; where it is equal, the id does.
    is_ascending : bool
        Smallest first.
    is_time : bool
        Whether the column is a time.
    is_default : bool
        Whether it is the order of a list without these parameters.
    """

    sort: str
    is_ascending: bool
    is_time: bool
    is_default: bool

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the parameters of a query that is ordered."""
        return {"sort": self.sort, "is_ascending": self.is_ascending}

    def decode(self, cursor: str | None) -> dict[str, Any]:
        """Return the parameters of a query that goes on after a page.

        Raises
        ------
        ProblemError
            400 if it is not a cursor of a list in this order.
        """
        if cursor is None:
            return {}
        values = decode_cursor(cursor, str, int, str if self.is_time else float, int)
        if values is None or values[:2] != (self.sort, int(self.is_ascending)):
            raise ProblemError(400, "cursor: from a list in another order")
        _, _, key, after_id = values
        if self.is_time:
            return {"after_time": decode_time(str(key)), "after_id": after_id}
        return {"after_key": key, "after_id": after_id}

    def encode_next(self, rows: Sequence[Mapping[str, Any]], limit: int) -> str | None:
        """Return the cursor of the next page; None if this one is not full."""
        if len(rows) < limit:
            return None
        last = rows[-1]
        # The id alone orders a list by it; its query gives no other key.
        key = last[self.sort] if self.is_time else last.get("sort_key")
        return encode_cursor(
            self.sort, int(self.is_ascending), 0.0 if key is None else key, last["id"]
        )


class _Order:
    """Reads an order; FastAPI reads its signature: the columns, the default first.

    Parameters
    ----------
    names : tuple of str
        Columns that may order the list.
    times : frozenset of str
        Those of them that are times.
    """

    def __init__(self, names: tuple[str, ...], times: frozenset[str]) -> None:
        self._names = names
        self._times = times
        sort = Annotated[
            str,
            WithJsonSchema({"type": "string", "enum": list(names)}),
            Query(description="Column that orders the list; rows without a value are left out"),
        ]
        self.__signature__ = Signature(
            [
                Parameter("sort", Parameter.KEYWORD_ONLY, default=names[0], annotation=sort),
                Parameter("order", Parameter.KEYWORD_ONLY, default="desc", annotation=_Direction),
            ]
        )

    async def __call__(self, *, sort: str, order: str) -> ListOrder:
        """Return the order that is asked for.

        Raises
        ------
        ProblemError
            400 if there is no such column.
        """
        if sort not in self._names:
            raise ProblemError(400, f"sort: write one of {', '.join(self._names)}")
        return ListOrder(
            sort,
            is_ascending=order == "asc",
            is_time=sort in self._times,
            is_default=(sort, order) == (self._names[0], "desc"),
        )


_IMAGE_COLUMNS = ("id", "time_start", "rms_jy_beam", "exposure_s", "freq_eff_hz", "freq_bw_hz",
                  "beam_major_deg", "field_radius_deg", "n_sources")  # fmt: skip
_TRANSIENT_COLUMNS = ("time_detected", "snr", "flux_peak_jy_beam", "eta", "v", "n_datapoints")
ImageOrder = Annotated[ListOrder, Depends(_Order(_IMAGE_COLUMNS, times=frozenset({"time_start"})))]
TransientOrder = Annotated[
    ListOrder, Depends(_Order(_TRANSIENT_COLUMNS, times=frozenset({"time_detected"})))
]
