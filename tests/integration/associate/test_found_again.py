"""What is found again while answers may remove it from the catalogue."""

from tests.support.association import Associator, associator
from tests.support.forced_results import measure, store
from tests.support.records import image

STEADY, FAINT = (123.0, 10.0), (123.5, 10.2)


async def ids_of_faint(case: Associator) -> list[int]:
    return [row["id"] for row in await case.sources() if row["ra"] > 123.2]


async def bring_into_doubt(case: Associator) -> int:
    """Let a source be seen once and checked while an answer about it is missing; return its id."""
    await case.feed(image(0, [STEADY, FAINT]))
    [faint] = await ids_of_faint(case)
    for step in (1, 2):
        await case.feed(image(step, [STEADY]))
    return faint


async def answer(case: Associator, flux_jy: float) -> None:
    while case.requests:
        for request in [case.requests.pop(0) for _ in range(len(case.requests))]:
            await store(case, measure(request, flux_jy))
        await case.settle()


async def n_stored(case: Associator) -> int:
    return sum((await case.outcomes()).values())


async def test_a_detection_waits_for_the_answers_about_a_source_in_doubt(
    postgres_url: str,
) -> None:
    async with associator(postgres_url, archive_wait_s=3600.0) as case:
        faint = await bring_into_doubt(case)
        await case.feed(image(3, [STEADY]))
        await case.feed(image(4, [STEADY, FAINT]))
        await case.feed(image(5, [STEADY]))
        assert await n_stored(case) == 4
        await answer(case, 0.0)
        assert await n_stored(case) == 6
        [found] = await ids_of_faint(case)
        assert found != faint
        points = await case.rows(
            "select extraction_type, count(*) as n from detection where source_id = $1 "
            "group by 1 order by 1",
            faint,
        )
        # It was checked at the second look: what was measured then, and later, is gone.
        assert [tuple(row.values()) for row in points] == [("blind", 1), ("forced", 1)]


async def test_a_source_that_the_answers_confirm_is_found_again(postgres_url: str) -> None:
    async with associator(postgres_url, archive_wait_s=3600.0) as case:
        faint = await bring_into_doubt(case)
        await case.feed(image(3, [STEADY, FAINT]))
        assert await n_stored(case) == 3
        await answer(case, 0.008)
        assert await n_stored(case) == 4
        assert await ids_of_faint(case) == [faint]


async def test_answers_that_do_not_come_hold_a_stream_back_once(postgres_url: str) -> None:
    async with associator(postgres_url, archive_wait_s=1e-9) as case:
        faint = await bring_into_doubt(case)
        await case.feed(image(3, [STEADY, FAINT]))
        assert await n_stored(case) == 4
        assert await ids_of_faint(case) == [faint]
        assert not case.handler._held.may_hold(case.stream)
        for step in range(4, 8):
            await case.feed(image(step, [STEADY]))
        await answer(case, 0.008)
        await case.feed(image(8, [STEADY, FAINT]))
        assert case.handler._held.may_hold(case.stream)
