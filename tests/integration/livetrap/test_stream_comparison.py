"""Two streams of the same images are compared: what differs, and why."""

import asyncio
import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetrap.cli import run
from livetrap.operator.stream_comparison import match_rows
from schemas.messages import ImageDetections
from tests.support.association import associator
from tests.support.records import START, image, sources

PLACES = [(123.0, 10.0), (123.5, 10.5)]
NEW, FAINT = (124.0, 9.0), (122.5, 9.5)


@pytest.fixture(autouse=True)
def reach_the_database(postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(tmp_path / "no-stack"))


def look(step: int, *extra: tuple[float, float], flux_jy: float = 0.02) -> ImageDetections:
    return image(step, sources([*PLACES, *extra], flux_jy=flux_jy))


async def livetrap(*arguments: str) -> int:
    return await asyncio.to_thread(run, list(arguments))


async def test_what_differs_is_told_with_the_reason(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    strict = {"new_source_sigma_margin": 30.0}
    async with (
        associator(postgres_url) as one,
        associator(postgres_url, **strict) as other,
    ):
        for case in (one, other):
            await case.feed(look(0))
            await case.feed(look(1, NEW))
        await one.feed(look(2, FAINT))
        command = ("streams", "compare", one.stream, other.stream)
        assert await livetrap(*command, "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["n_sources"], found["n_transients"]) == (3, 0)
        announced = [(each["kind"], each["why"]) for each in found["differences"]]
        assert announced == [
            ("source", f"{other.stream}: no image of that time"),
            ("new_source", f"{other.stream}: the source, and nothing announced"),
            ("new_source", f"{other.stream}: no image of that time"),
        ]
        assert {each["only_in"] for each in found["differences"]} == {one.stream}
        assert await livetrap(*command) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "in both: 3 sources, 0 transients; differences: 3"
        assert len(lines) == 4
        assert await livetrap("streams", "compare", one.stream, one.stream) == 2
        assert await livetrap("streams", "compare", one.stream, "no such stream") == 2


positions = st.tuples(st.floats(0, 360, exclude_max=True), st.floats(-90, 90))


@given(st.lists(positions, max_size=12), st.randoms())
@settings(max_examples=50, deadline=None)
def test_a_stream_matches_itself_in_any_order(
    places: list[tuple[float, float]], random: Random
) -> None:
    rows = [{"ra": ra, "dec": dec, "kind": "source", "time_start": START} for ra, dec in places]
    shuffled = list(rows)
    random.shuffle(shuffled)
    pairs = match_rows(rows, shuffled, radius_arcsec=1.0, tolerance_s=0.5)
    assert len(pairs) == len(rows)
    assert len({other for _, other in pairs}) == len(rows)
