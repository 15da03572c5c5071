"""Queries of many clients take turns; those of one client wait for one another."""

import asyncio
import threading

import pytest

from api.errors import ProblemError
from api.models.tap import Catalogue
from api.steps.adql import translation
from api.steps.adql.translator import Translator
from tests.support.adql import CATALOGUE

QUERY = "select ra from livetrap.source"


class Work:
    """Translations that end when they are allowed to."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.n_running = self.most_running = 0
        self.may_end = threading.Semaphore(0)

    def translate(self, query: str, _: Catalogue) -> str:
        self.order.append(query)
        self.n_running += 1
        self.most_running = max(self.most_running, self.n_running)
        assert self.may_end.acquire(timeout=60)
        self.n_running -= 1
        return query


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    made = Work()
    monkeypatch.setattr(translation, "translate", made.translate)
    return made


async def test_one_query_is_translated_at_a_time_and_addresses_take_turns(work: Work) -> None:
    translator = Translator()
    tasks = [
        asyncio.create_task(translator.translate(query, CATALOGUE, client=client))
        for query, client in (
            ("greedy 1", "192.0.2.1"),
            ("greedy 2", "192.0.2.1"),
            ("greedy 3", "192.0.2.1"),
            ("honest", "198.51.100.7"),
            ("job", None),
        )
    ]
    for _ in tasks:
        work.may_end.release()
    assert [await task for task in tasks] == ["greedy 1", "greedy 2", "greedy 3", "honest", "job"]
    assert work.most_running == 1
    assert work.order == ["greedy 1", "honest", "job", "greedy 2", "greedy 3"]


async def test_an_address_with_too_many_queries_is_told_to_wait(work: Work) -> None:
    translator = Translator()
    tasks = [
        asyncio.create_task(translator.translate(QUERY, CATALOGUE, client="192.0.2.1"))
        for _ in range(40)
    ]
    for _ in tasks:
        work.may_end.release()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results.count(QUERY) == 17
    refused = [each for each in results if isinstance(each, ProblemError)]
    assert [each.status for each in refused] == [503] * 23


async def test_a_query_that_fails_makes_room_for_the_next() -> None:
    translator = Translator()
    for _ in range(3):
        with pytest.raises(ValueError, match="write a SELECT"):
            await translator.translate("1", CATALOGUE, client="192.0.2.1")
    assert (await translator.translate(QUERY, CATALOGUE, client="192.0.2.1")).names == ("ra",)
