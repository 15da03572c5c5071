"""A reference catalogue in the database of a test, loaded and deleted by the commands for it."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from astropy.table import Table

from tests.support.life_cycle import livetrap

__all__ = ["loaded_catalogue"]


@asynccontextmanager
async def loaded_catalogue(
    folder: Path, positions: Sequence[tuple[float, float]]
) -> AsyncIterator[str]:
    """Give the name of a catalogue with sources at these positions, ra and dec [deg]."""
    name = f"known-{uuid.uuid4().hex[:8]}"
    known = folder / f"{name}.csv"
    Table(rows=list(positions), names=("ra", "dec")).write(known)
    assert await livetrap("catalogues", "load", str(known), "--name", name) == 0
    yield name
    assert await livetrap("catalogues", "delete", name) == 0
    assert await livetrap("catalogues", "delete", name) == 2
