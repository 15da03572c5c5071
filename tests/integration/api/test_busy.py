"""More is asked at once than there are connections: the answer says so, the database is well."""

from contextlib import AsyncExitStack
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from api.errors import BusyError
from api.metrics import DATABASE_UP, QUESTIONS_REFUSED
from api.storage import pools
from api.storage.lending import lend
from tests.support.api_service import app_of, client_of


async def test_a_full_pool_is_not_an_absent_database(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client_of(postgres_url) as client, AsyncExitStack() as lent:
        context = app_of(client).state.context
        pool_size = context.database._settings.pool_size
        for _ in range(pool_size):
            await lent.enter_async_context(context.database._pools.lend(is_current=False))
        n_refused = QUESTIONS_REFUSED._value.get()
        monkeypatch.setattr(pools, "_WAIT_S", 0.05)
        for path in ("/api/v1/transients", "/vo/tap/sync?LANG=ADQL&QUERY=select+1"):
            answer = await client.get(path)
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "2"
            words = f"too many questions at once: all {pool_size} connections were busy"
            assert words in answer.text
            assert "try again in 2 s" in answer.text
            assert "PostgreSQL is" not in answer.text
        assert DATABASE_UP._value.get() == 1
        assert QUESTIONS_REFUSED._value.get() >= n_refused + 2
        monkeypatch.undo()
        await lent.aclose()
        assert (await client.get("/api/v1/transients")).status_code == 200


async def test_a_server_without_a_connection_left_is_busy(postgres_url: str) -> None:
    role = f"busy_{uuid4().hex}"
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f"create role {role} login connection limit 1 password 'busy'")
    place = urlsplit(postgres_url)
    host = place.netloc.rsplit("@", 1)[1]
    url = place._replace(netloc=f"{role}:busy@{host}").geturl()
    try:
        async with asyncpg.create_pool(url, min_size=0, max_size=2) as pool, lend(pool, wait_s=60):
            with pytest.raises(BusyError, match=r"too many connections to PostgreSQL: .*role"):
                async with lend(pool, wait_s=60):
                    pass
    finally:
        # A session that was ended may be there for a moment; it owns nothing.
        await admin.execute(f"drop role {role}")
        await admin.close()
