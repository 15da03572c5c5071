"""What a run left in the database, by names that do not depend on the order of insertion."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg

__all__ = ["Difference", "compare", "read_tables"]

# The same sums in another order differ in the last digits.
_RELATIVE = 1e-9

Row = tuple[Any, ...]
Table = Mapping[Row, Row]

# Key columns first, as many as the number says. A source is known by its first detection.
_QUERIES: dict[str, tuple[int, str]] = {
    "images": (
        1,
        """
        select image_id, verdict, reasons::text, is_late, n_sources, rms_jy_beam, time_start,
            stream.name, freq_eff_hz
        from image join stream on stream.id = stream_id
        """,
    ),
    "sources": (
        2,
        """
        select first.image_id, first_source_number, ra, dec, n_datapoints, eta, v,
            is_new, is_variable, last_time_start
        from source join image as first on first.image_key = first_image_key
        """,
    ),
    "detections": (
        5,
        """
        select image.image_id, extraction_type,
            case extraction_type when 'blind' then source_number else 0 end,
            first.image_id, first_source_number,
            detection.ra, detection.dec, flux_peak_jy_beam, flux_peak_err_jy_beam, flux_int_jy,
            de_ruiter_radius
        from detection
        join image on image.image_key = detection.image_key
        join source on source.id = source_id
        join image as first on first.image_key = first_image_key
        """,
    ),
    "gaps": (
        3,
        """
        select image.image_id, first.image_id, first_source_number, reason
        from forced_gap
        join image on image.image_key = forced_gap.image_key
        join source on source.id = source_id
        join image as first on first.image_key = first_image_key
        """,
    ),
    "transients": (
        1,
        """
        select event_id, trig_id, kind, certainty, state, n_updates, ra, dec, snr, eta, v
        from transient
        """,
    ),
    "events": (1, "select event_id, kind from source_event"),
    "suppressed": (1, "select event_id, reason from suppressed_event"),
    "alerts": (1, "select ivorn, event_id, alert_type, kind, ra, dec, snr from alert"),
}


@dataclass
class Difference:
    """How a table of the disturbed run differs from the undisturbed one."""

    n_rows: int = 0
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)

    @property
    def n(self) -> int:
        return len(self.missing) + len(self.extra) + len(self.differing)


def read_tables(url: str) -> dict[str, Table]:
    """Return the rows of each table, by key."""
    return asyncio.run(_read(url))


async def _read(url: str) -> dict[str, Table]:
    connection = await asyncpg.connect(url)
    try:
        tables: dict[str, Table] = {}
        for name, (n_key, query) in _QUERIES.items():
            rows = [tuple(row) for row in await connection.fetch(query)]
            tables[name] = {row[:n_key]: row[n_key:] for row in rows}
            assert len(tables[name]) == len(rows), f"{name}: two rows with one key"
        return tables
    finally:
        await connection.close()


def compare(expected: Table, found: Table) -> Difference:
    """Return which rows are missing, which nobody expects, and which have other values."""
    return Difference(
        n_rows=len(found),
        missing=sorted(f"{key}: {expected[key]}" for key in expected.keys() - found.keys()),
        extra=sorted(f"{key}: {found[key]}" for key in found.keys() - expected.keys()),
        differing=sorted(
            f"{key}: {expected[key]} became {found[key]}"
            for key in expected.keys() & found.keys()
            if not _same(expected[key], found[key])
        ),
    )


def _same(first: Row, second: Row) -> bool:
    return all(_same_value(a, b) for a, b in zip(first, second, strict=True))


def _same_value(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        both_nan = math.isnan(a) and math.isnan(b)
        return both_nan or math.isclose(a, b, rel_tol=_RELATIVE, abs_tol=1e-12)
    return bool(a == b)
