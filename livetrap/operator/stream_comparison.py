"""Compare two streams: which sources and transients one has and the other has not, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import numpy as np
from scipy.spatial import cKDTree

from livetrap.database.connection import with_connection
from livetrap.operator.streams import find_stream
from livetrap.terminal.printable import to_printable
from runtime.errors import SettingsError
from runtime.settings import Settings
from runtime.sql import Queries
from sky.geometry import to_unit_vectors

__all__ = ["Comparison", "Difference", "compare_streams", "match_rows", "render_comparison"]

Row = Mapping[str, Any]
_QUERIES = Queries("livetrap.operator")


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that one stream has and the other has not.

    Parameters
    ----------
    only_in : str
        The stream that has it.
    kind : str
        ``source``, or the kind of the transient.
    ra, dec : float
        ICRS [deg].
    time_start : datetime
        Start of the exposure of the first detection, or of the one that triggered.
    id : int
        Of the source or the transient in its stream.
    why : str
        What the other stream has instead.
    """

    only_in: str
    kind: str
    ra: float
    dec: float
    time_start: datetime
    id: int
    why: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two streams have in common, and where they differ.

    Parameters
    ----------
    n_sources, n_transients : int
        Pairs that both have [-].
    differences : sequence of Difference
        Sources, then transients, each in the order of their time.
    """

    n_sources: int
    n_transients: int
    differences: Sequence[Difference]


@dataclass(frozen=True, slots=True)
class _Stream:
    """The rows of one stream."""

    name: str
    id: int
    sources: Sequence[Row]
    transients: Sequence[Row]


def compare_streams(
    settings: Settings, first: str, second: str, *, radius_arcsec: float, tolerance_s: float
) -> Comparison:
    """Compare the sources and the transients of two streams.

    Two sources are one where each is the nearest of the other within the radius; two transients
    where their kinds are the same, too, and their exposures start at the same time.

    Parameters
    ----------
    settings : Settings
        Where the database is.
    first, second : str
        Names of the streams.
    radius_arcsec : float
        Largest distance of a pair [arcsec].
    tolerance_s : float
        Largest difference of the times of a pair of transients [s].

    Raises
    ------
    SettingsError
        If a stream is missing, or both are the same; others as of
        `livetrap.database.connection.connect`.
    """
    if first == second:
        raise SettingsError(f"{first} is the same stream twice: name another one to compare with")

    async def compare(connection: asyncpg.Connection) -> Comparison:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            ours, theirs = await _load(connection, first), await _load(connection, second)
            return await _compare(connection, ours, theirs, radius_arcsec, tolerance_s)

    return with_connection(settings.postgres, compare)


async def _load(connection: asyncpg.Connection, name: str) -> _Stream:
    stream_id = (await find_stream(connection, name))["id"]
    sources = await _QUERIES.fetch(connection, "list_compared_sources", stream_id=stream_id)
    transients = await _QUERIES.fetch(connection, "list_compared_transients", stream_id=stream_id)
    return _Stream(
        name, stream_id, [dict(row) for row in sources], [dict(row) for row in transients]
    )


async def _compare(
    connection: asyncpg.Connection,
    ours: _Stream,
    theirs: _Stream,
    radius_arcsec: float,
    tolerance_s: float,
) -> Comparison:
    sources = match_rows(ours.sources, theirs.sources, radius_arcsec=radius_arcsec)
    transients = match_rows(
        ours.transients, theirs.transients, radius_arcsec=radius_arcsec, tolerance_s=tolerance_s
    )
    differences = []
    for pairs, name in ((sources, "sources"), (transients, "transients")):
        found = []
        for one, other, side in ((ours, theirs, 0), (theirs, ours, 1)):
            matched = {pair[side] for pair in pairs}
            rows = [row for k, row in enumerate(getattr(one, name)) if k not in matched]
            found += await _explain(connection, rows, one, other, radius_arcsec, tolerance_s)
        differences += sorted(found, key=lambda each: (each.time_start, each.only_in, each.id))
    return Comparison(len(sources), len(transients), differences)


def match_rows(
    ours: Sequence[Row],
    theirs: Sequence[Row],
    *,
    radius_arcsec: float,
    tolerance_s: float | None = None,
) -> list[tuple[int, int]]:
    """Return the pairs of rows that are one: each the nearest of the other that it may be.

    Parameters
    ----------
    ours, theirs : sequence of rows
        With `ra` and `dec` [deg]; with `tolerance_s` also with `kind` and `time_start`.
    radius_arcsec : float
        Largest distance of a pair [arcsec].
    tolerance_s : float or None
        Largest difference of their times [s]; None: neither kind nor time matters.

    Returns
    -------
    list of (int, int)
        Numbers of the rows, in the order of the first.
    """
    if not ours or not theirs:
        return []
    trees = [cKDTree(_vectors(rows)) for rows in (ours, theirs)]
    chord = 2 * np.sin(np.radians(radius_arcsec / 3600) / 2)
    near = trees[0].sparse_distance_matrix(trees[1], chord, output_type="ndarray")
    taken: tuple[set[int], set[int]] = (set(), set())
    pairs = []
    for each in near[np.lexsort((near["j"], near["i"], near["v"]))]:
        one, other = int(each["i"]), int(each["j"])
        if one in taken[0] or other in taken[1]:
            continue
        if tolerance_s is None or _is_same_time(ours[one], theirs[other], tolerance_s):
            taken[0].add(one)
            taken[1].add(other)
            pairs.append((one, other))
    return sorted(pairs)


def _vectors(rows: Sequence[Row]) -> Any:
    ra, dec = np.array([[row["ra"], row["dec"]] for row in rows], float).T
    return to_unit_vectors(ra, dec).T


def _is_same_time(one: Row, other: Row, tolerance_s: float) -> bool:
    apart_s = abs((one["time_start"] - other["time_start"]).total_seconds())
    return bool(one["kind"] == other["kind"] and apart_s <= tolerance_s)


async def _explain(
    connection: asyncpg.Connection,
    rows: Sequence[Row],
    one: _Stream,
    other: _Stream,
    radius_arcsec: float,
    tolerance_s: float,
) -> list[Difference]:
    """Return what `other` lacks, with what it has instead."""
    if not rows:
        return []
    found = await _QUERIES.fetch(
        connection,
        "explain_differences",
        stream_id=other.id,
        ra=[row["ra"] for row in rows],
        dec=[row["dec"] for row in rows],
        time_start=[row["time_start"] for row in rows],
        radius_deg=radius_arcsec / 3600,
        tolerance=timedelta(seconds=tolerance_s),
    )
    return [
        Difference(
            one.name, row["kind"], row["ra"], row["dec"], row["time_start"], row["id"],
            _to_reason(row["kind"], dict(reason), other.name),
        )
        for row, reason in zip(rows, found, strict=True)
    ]  # fmt: skip


def _to_reason(kind: str, there: Row, name: str) -> str:
    """Return in words what the other stream has at a place and a time."""
    verdict, announced = there["verdict"], there["other_kind"]
    state = "" if there["other_state"] == "active" else f" ({there['other_state']})"
    reasons = (
        (not there["n_images"], "no image of that time"),
        (not there["n_accepted"], f"images rejected: {', '.join(there['reasons'])}"),
        (announced is not None, f"announced as {announced}{state}"),
        (verdict not in {None, "new_source"}, f"looked back: {str(verdict).replace('_', ' ')}"),
        (there["n_archived"], "archived: no measurement confirmed it"),
        (there["n_sources"] and kind == "source", "another source nearby"),
        (there["n_sources"], "the source, and nothing announced"),
    )
    what = next((text for is_so, text in reasons if is_so), "nothing detected there")
    return f"{name}: {what}"


def render_comparison(found: Comparison) -> str:
    """Return one line a difference, after what is common."""
    common = f"in both: {found.n_sources} sources, {found.n_transients} transients"
    lines = [f"{common}; differences: {len(found.differences)}"]
    for each in found.differences:
        row = asdict(each)
        lines.append(
            f"only in {to_printable(row['only_in'])}  {row['kind']:<11} {row['id']:>8}  "
            f"{row['ra']:10.5f} {row['dec']:+10.5f}  {row['time_start']:%Y-%m-%dT%H:%M:%S}  "
            f"{to_printable(row['why'])}"
        )
    return "\n".join(lines)
