"""Several associators publish one outbox: each message once, in order."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from pydantic import SecretStr

from runtime.errors import TransientError
from runtime.postgres import create_pool
from runtime.settings import PostgresSettings
from schemas.codec import decode_forced_request
from schemas.messages import ForcedRequest, PositionColumns, SourceOffset
from schemas.topics import Topics
from services.associate.models.decisions import ImageRequest
from services.associate.storage import CatalogueStore

N_MESSAGES, BATCH = 60, 7


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[asyncpg.Pool]:
    made = await create_pool(PostgresSettings(url=SecretStr(postgres_url)), service="test")
    await made.execute("truncate outbox")
    await made.executemany(
        "insert into outbox (topic, key, value) values ('transients-v1', $1, '')",
        [(f"{number:03d}",) for number in range(N_MESSAGES)],
    )
    yield made
    await made.close()


async def relay(store: CatalogueStore, sent: list[str]) -> None:
    """Publish until nothing is left, as an associator does."""
    while True:
        async with store.lend_outbox(BATCH) as rows:
            if rows == []:
                return
            for row in rows or ():
                sent.append(row["key"])
                await asyncio.sleep(0)  # the broker's answer: the others go on
        await asyncio.sleep(0)


async def test_each_message_is_sent_once_and_in_order(pool: asyncpg.Pool) -> None:
    sent: list[str] = []
    await asyncio.gather(*(relay(CatalogueStore(pool), sent) for _ in range(3)))
    assert sent == [f"{number:03d}" for number in range(N_MESSAGES)]
    assert await pool.fetchval("select count(*) from outbox") == 0


async def test_the_others_get_nothing_while_one_publishes(pool: asyncpg.Pool) -> None:
    one, other = CatalogueStore(pool), CatalogueStore(pool)
    async with one.lend_outbox(BATCH) as mine:
        assert mine is not None
        assert len(mine) == BATCH
        async with other.lend_outbox(BATCH) as theirs:
            assert theirs is None
    async with other.lend_outbox(BATCH) as theirs:
        assert theirs is not None
        assert theirs[0]["key"] == f"{BATCH:03d}"


async def test_what_kafka_did_not_take_stays(pool: asyncpg.Pool) -> None:
    store = CatalogueStore(pool)
    with pytest.raises(TransientError):
        async with store.lend_outbox(BATCH):
            raise TransientError("Kafka is away")
    async with store.lend_outbox(N_MESSAGES) as rows:
        assert rows is not None
        assert len(rows) == N_MESSAGES


@pytest.mark.parametrize("n_messages", [0, 1, BATCH, 3 * BATCH + 1])
async def test_requests_leave_in_the_order_of_their_images(
    pool: asyncpg.Pool, n_messages: int
) -> None:
    images = [f"{7 * number % 97:064d}" for number in range(n_messages)]
    store = CatalogueStore(pool)
    await pool.execute("truncate outbox")
    async with store.transaction() as catalogue:
        await catalogue.insert_requests([request_of(each) for each in images], Topics())
    sent: list[bytes] = []
    while len(sent) < n_messages:
        async with store.lend_outbox(BATCH) as rows:
            assert rows
            sent += [row["value"] for row in rows]
    assert [decode_forced_request(each).image_id for each in sent] == images


def request_of(image_id: str) -> ImageRequest:
    source = SourceOffset("cluster", "images-v1", 0, 1)
    return ImageRequest(150e6, ForcedRequest(image_id, "stream", source, PositionColumns()))
