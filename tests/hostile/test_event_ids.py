"""Ids of the last event that are no ids, and streams that are asked for and not read."""

import asyncio
from urllib.parse import quote

import pytest

from tests.hostile.test_api_floods import Request, app

STREAM = "/api/v1/alerts/stream"
NO_IDS = [
    "9" * 1_000_000, "9" * 19, "-1", "-0", "+7", "0x7", "7.0", "7e0", "7_0", " 7", "7 ", "7,8",
    "\u0667", "\uff17", "7\u0661", "\u00b2", "\U0001d7d5", "\u06f7" * 18, "7\x00", "7\n", "7;8",
    "None", "NaN", "' or 1=1", "%37",
]  # fmt: skip


@pytest.mark.parametrize("last_id", NO_IDS, ids=lambda each: ascii(each)[:12])
async def test_what_is_no_id_is_refused(last_id: str) -> None:
    request = Request("GET", STREAM)
    request.scope["query_string"] = b"last_event_id=" + quote(last_id).encode()
    assert (await request.answered_by(app())).status == 400
    try:
        sent = last_id.encode("latin-1")
    except UnicodeEncodeError:
        return
    request = Request("GET", STREAM)
    request.scope["headers"] = [(b"last-event-id", sent)]
    assert (await request.answered_by(app())).status == 400


async def test_streams_whose_headers_alone_are_asked_for_keep_no_place() -> None:
    served = app(max_alert_streams_per_host=3)
    for _ in range(20):
        assert (await Request("HEAD", STREAM).answered_by(served)).status == 200


async def test_streams_that_are_left_at_once_keep_no_place() -> None:
    served = app(max_alert_streams_per_host=3)
    for _ in range(20):
        request = Request("GET", STREAM)
        request.is_gone.set()
        await request.answered_by(served)
        assert request.status in (0, 200)


async def test_a_stream_that_is_cancelled_gives_its_place_back() -> None:
    served = app(max_alert_streams_per_host=3)
    for _ in range(20):
        request = Request("GET", STREAM)
        task = asyncio.create_task(request.answered_by(served))
        await asyncio.wait_for(request.has_data.wait(), 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert request.status == 200
