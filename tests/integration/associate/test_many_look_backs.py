"""The looks back that end with one answer are ended together, each by what its images show."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from schemas.messages import ForcedColumns, ForcedMeasurements, ForcedRequest, IntArray
from tests.support.association import Associator, associator
from tests.support.fed_outcome import assert_same, read_outcome
from tests.support.forced_results import measure, store
from tests.support.look_back_cases import FAINT_JY, LOOKBACK, take_look_backs
from tests.support.records import image, sources
from tests.support.statements import counted_statements, without_polls

# Flux in the images from before [Jy/beam]; those of the last kind could not be measured there.
_BEFORE_JY = {"new": 0.0, "known": 0.0098, "blank": np.nan}
N_MIXED = 6


def places(n: int) -> list[tuple[float, float]]:
    return [(122.0 + 0.2 * number, 9.0 + 0.01 * number) for number in range(n)]


def answer_each(request: ForcedRequest, kinds: Sequence[str]) -> ForcedMeasurements:
    """Return an answer in which each source is as bright as its kind says."""
    result = measure(request)
    columns = result.measurements
    number = np.rint((columns.ra - 122.0) / 0.2).astype(int)
    flux = np.array([_BEFORE_JY[kinds[each]] for each in number])
    reasons = tuple("" if each else "blank" for each in np.isfinite(flux))
    return replace(result, measurements=replace(columns, flux_peak_jy_beam=flux, reason=reasons))


async def ask(case: Associator, kinds: Sequence[str], *, n_images: int = 4) -> list[ForcedRequest]:
    """Detect sources for the first time, all in one image; return what is asked about them."""
    for step in range(n_images):
        await case.feed(image(step))
    case.requests.clear()
    detected = sources(places(len(kinds)), flux_jy=FAINT_JY, flux_err_jy=1e-3)
    await case.feed(image(n_images, detected))
    assert case.events == []
    return take_look_backs(case)


async def look_back(case: Associator, kinds: Sequence[str]) -> None:
    """Detect sources for the first time, and give the answers about them."""
    await store(case, *[answer_each(each, kinds) for each in await ask(case, kinds)])
    await case.settle()


@pytest.mark.parametrize(
    "kinds",
    [
        ["new"],
        ["known"],
        ["blank"],
        ["new", "known", "blank", "known", "new", "blank", "new", "new", "known"],
    ],
)
async def test_each_source_has_the_verdict_of_its_own_images(
    postgres_url: str, kinds: list[str]
) -> None:
    async with associator(postgres_url, **LOOKBACK) as case:
        await look_back(case, kinds)
        announced = [round((each.ra - 122.0) / 0.2) for each in case.events]
        rows = await case.rows(
            "select source.ra, verdict, n_look_back, flux_previous_jy_beam, source.is_new, "
            "source.activity, source.n_episodes from look_back "
            "join source on source.id = source_id join stream on stream.id = source.stream_id "
            "where name = $1 order by source.ra",
            case.stream,
        )
        case.events.clear()
        # Those that were there before are expected to be there, and are as they were.
        await case.feed(image(5, sources(places(len(kinds)), flux_jy=FAINT_JY, flux_err_jy=1e-3)))
        again = [each.kind for each in case.events]
    assert announced == [number for number, kind in enumerate(kinds) if kind == "new"]
    verdicts = {"new": "new_source", "known": "known_below_threshold", "blank": "not_looked_back"}
    said = [
        (
            row["verdict"], row["n_look_back"], row["flux_previous_jy_beam"],
            row["is_new"], row["activity"], row["n_episodes"],
        )
        for row in rows
    ]  # fmt: skip
    assert said == [
        (
            verdicts[kind],
            0 if kind == "blank" else 4,
            None if kind == "blank" else pytest.approx(_BEFORE_JY[kind]),
            kind == "new",
            int(kind == "new"),
            int(kind == "new"),
        )
        for kind in kinds
    ]
    assert again == []


@pytest.mark.parametrize("kind", _BEFORE_JY)
async def test_more_sources_take_no_more_statements(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    counts = []
    for n_sources in (8, 16):  # as many as an image is solved by
        async with associator(postgres_url, **LOOKBACK) as case:
            with counted_statements(monkeypatch) as statements:
                await look_back(case, [kind] * n_sources)
            counts.append(without_polls(statements))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("kind", _BEFORE_JY)
async def test_more_images_take_no_more_statements(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    counts = []
    for n_images in (2, 5):
        images = {"lookback_images": n_images}
        async with associator(postgres_url, **LOOKBACK | images) as case:
            requests = await ask(case, [kind], n_images=n_images)
            assert len(requests) == n_images
            with counted_statements(monkeypatch) as statements:
                await store(case, *[answer_each(each, [kind]) for each in requests])
            counts.append(without_polls(statements))
    assert counts[0] == counts[1]


def mix_answers(requests: Sequence[ForcedRequest], seed: int) -> list[ForcedMeasurements]:
    """Return answers in any order, split by source, some repeated with other fluxes or none."""
    rng = np.random.default_rng(seed)
    answers = []
    for request in requests:
        n_positions = request.positions.position_id.size
        parts = np.array_split(rng.permutation(n_positions), rng.integers(1, n_positions + 1))
        for part in parts:
            for _ in range(rng.choice([1, 1, 1, 2])):
                kinds = rng.choice(list(_BEFORE_JY), N_MIXED).tolist()
                answers.append(take_positions(answer_each(request, kinds), np.sort(part)))
    return [answers[number] for number in rng.permutation(len(answers)).tolist()]


def take_positions(result: ForcedMeasurements, chosen: IntArray) -> ForcedMeasurements:
    """Return a result with some of its positions."""
    columns = result.measurements
    taken: dict[str, Any] = {
        each.name: [getattr(columns, each.name)[number] for number in chosen.tolist()]
        for each in fields(columns)
    }
    for name, values in taken.items():
        is_text = isinstance(getattr(columns, name), tuple)
        taken[name] = tuple(values) if is_text else np.array(values)
    return replace(result, measurements=ForcedColumns(**taken))


@pytest.mark.parametrize("seed", range(4))
async def test_answers_in_any_order_say_the_same_together(postgres_url: str, seed: int) -> None:
    outcomes = []
    for most in (1, 5, 1000):
        async with associator(postgres_url, **LOOKBACK) as case:
            answers = mix_answers(await ask(case, ["new"] * N_MIXED), seed)
            for first in range(0, len(answers), most):
                await store(case, *answers[first : first + most])
                await case.settle()
            outcomes.append(await read_outcome(case, case.events))
    for other in outcomes[1:]:
        assert_same(outcomes[0], other)
        assert outcomes[0].order == other.order
