"""Webhooks: every alert, signed, tried again, never to a private address by mistake."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path

import asyncpg
import jsonschema_rs
import pytest
from pydantic import ValidationError

from livetrap.cli import run
from runtime.settings import Settings, WebhookSettings
from services.distribute.errors import DeliveryError
from services.distribute.handlers.stamp_pictures import StampPictures
from services.distribute.handlers.webhook import Webhook
from services.distribute.models import OutgoingAlert
from services.distribute.steps.webhook import check_addresses
from services.distribute.storage import StampStore
from tests.support.receivers import SECRET, issue, serving, until, webhook_to
from tests.support.stamp_rows import SIDE_PX, read_png, stamp_file, store_stamps
from tests.support.vtp_events import build_test_alert, source_event

ALERT = OutgoingAlert("ivo://a/b#c", b"<a/>", b"{}")


async def n_acknowledged(pool: asyncpg.Pool, name: str) -> int:
    query = "select count(*) from delivery where subscriber = $1 and time_acknowledged is not null"
    return int(await pool.fetchval(query, name))


async def test_every_alert_comes_once_in_order_and_signed(pool: asyncpg.Pool) -> None:
    async with serving() as server, webhook_to(pool, server):
        expected = await issue(pool, 5)
        await until(lambda: len(server.requests) >= 5)
        expected += await issue(pool)
        await until(lambda: len(server.requests) >= 6)
        assert server.ivorns == expected
        for headers, body in server.requests:
            text = headers["x-livetrap-timestamp"].encode() + b"." + body
            digest = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
            assert headers["x-livetrap-signature"] == f"sha256={digest}"
            assert headers["host"] == f"127.0.0.1:{server.port}"
            assert json.loads(body)["ivorn"] == headers["x-livetrap-ivorn"]


async def test_a_voevent_can_be_had_instead_and_no_signature(pool: asyncpg.Pool) -> None:
    changes = {"format": "voevent", "secret": None}
    async with serving() as server, webhook_to(pool, server, **changes):
        await issue(pool)
        await until(lambda: server.requests)
        (headers, body), *_ = server.requests
        assert headers["content-type"] == "application/xml"
        assert b"VOEvent" in body
        assert "x-livetrap-signature" not in headers


async def test_a_notice_carries_the_stamps_that_are_there_where_it_shall(
    pool: asyncpg.Pool,
) -> None:
    event = source_event(salt=uuid.uuid4().hex)
    made = build_test_alert(event)
    alert = OutgoingAlert(made.ivorn, made.voevent, made.notice)
    draw = StampPictures(StampStore(pool).read, timeout_s=600.0)
    async with serving() as server:
        url = f"http://127.0.0.1:{server.port}/"
        settings = WebhookSettings(name="robot", url=url, allow_private=True, stamps=True)
        webhook = Webhook(settings, draw)
        await webhook.deliver([alert])
        await store_stamps(pool, event.trig_id, now=stamp_file(5.0), before=stamp_file(-1.0))
        await webhook.deliver([alert])
        await webhook.aclose()
    before, after = (json.loads(body) for _, body in server.requests)
    assert before == json.loads(alert.notice) | {"stamps_png": {}}
    assert list(after["stamps_png"]) == ["before", "now", "difference"]
    now = read_png(base64.b64decode(after["stamps_png"]["now"]))
    assert now[SIDE_PX // 2, SIDE_PX // 2] == 255
    schema = json.loads((files("schemas") / "json" / "radio_transient.schema.json").read_bytes())
    jsonschema_rs.validate(schema, after)


def test_stamps_are_refused_where_the_body_has_no_place_for_them() -> None:
    with pytest.raises(ValidationError, match="format chat cannot carry them"):
        WebhookSettings(name="a", url="http://a.example/", format="chat", stamps=True)


@pytest.mark.parametrize("status", [500, 404, 302])
async def test_a_failed_delivery_is_repeated(pool: asyncpg.Pool, status: int) -> None:
    async with serving(status) as server, webhook_to(pool, server):
        first, second = await issue(pool, 2)
        await until(lambda: len(server.requests) >= 3)
        assert server.ivorns == [first, first, second]


async def test_one_refused_alert_does_not_block_the_next(pool: asyncpg.Pool) -> None:
    async with serving(422, 422, 422, 204, 422) as server, webhook_to(pool, server) as name:
        first, second = await issue(pool, 2)
        await until(lambda: len(server.requests) >= 5)
        (third,) = await issue(pool)
        await until(lambda: len(server.requests) >= 6)
        # Offered again when the next one was accepted: the fault is in the alert.
        assert server.ivorns == [first, first, first, second, first, third]
        rows = await pool.fetch(
            "select ivorn, time_acknowledged is not null as has_it from delivery "
            "join alert on alert.id = alert_id where subscriber = $1",
            name,
        )
        assert {row["ivorn"]: row["has_it"] for row in rows}[first] is False


async def test_one_that_refuses_everything_is_disabled_until_an_operator_enables_it(
    pool: asyncpg.Pool, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(tmp_path / "no-stack"))
    async with serving(422, 422) as server, webhook_to(pool, server, max_refusals=2) as name:
        await issue(pool)
        disabled = "select disabled_reason from subscriber where name = $1"
        async with asyncio.timeout(60):
            while await pool.fetchval(disabled, name) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        capsys.readouterr()
        assert await asyncio.to_thread(run, ["alerts", "subscribers", "--json"]) == 0
        # This process logs to the same output.
        printed = capsys.readouterr().out
        answer, _ = json.JSONDecoder().raw_decode(printed, printed.index("[\n"))
        listed = {each["name"]: each for each in answer}
        assert listed[name]["disabled_reason"] == "refused: answered 422 X"
        assert len(server.requests) == 2
        assert await asyncio.to_thread(run, ["alerts", "enable", "webhook", name]) == 0
        await until(lambda: len(server.requests) == 3)
    assert await asyncio.to_thread(run, ["alerts", "enable", "webhook", "nobody"]) == 2


async def test_a_webhook_that_is_down_stays_enabled_and_is_reported(
    pool: asyncpg.Pool, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(tmp_path / "no-stack"))
    row = "select n_failures, disabled_reason, failure_reason from subscriber where name = $1"
    answers = [503] * 200
    async with serving(*answers) as server, webhook_to(pool, server, max_refusals=2) as name:
        expected = await issue(pool, 2)
        await until(lambda: len(server.requests) > 4)
        state = await pool.fetchrow(row, name)
        assert state["disabled_reason"] is None
        assert state["failure_reason"] == "answered 503 X"
        capsys.readouterr()
        assert await asyncio.to_thread(run, ["alerts", "subscribers"]) == 0
        assert re.search(rf"{name} .* failing since .*Z: answered 503 X", capsys.readouterr().out)
        server.statuses.clear()  # it is back
        await until(lambda: server.ivorns[-1] == expected[-1])
        async with asyncio.timeout(60):
            while (state := await pool.fetchrow(row, name))["failure_reason"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert dict(state) == {"n_failures": 0, "disabled_reason": None, "failure_reason": None}


async def test_a_restart_sends_what_is_missing_and_nothing_else(pool: asyncpg.Pool) -> None:
    async with serving() as server:
        async with webhook_to(pool, server) as name:
            expected = await issue(pool, 2)
            async with asyncio.timeout(60):
                while await n_acknowledged(pool, name) < 2:  # noqa: ASYNC110  (it is polled)
                    await asyncio.sleep(0.02)
        expected += await issue(pool, 2)
        async with webhook_to(pool, server, name=name):
            await until(lambda: len(server.requests) >= 4)
        assert server.ivorns == expected


async def test_only_the_process_that_delivers_does(pool: asyncpg.Pool) -> None:
    leader, refused = "first", set()

    def may(name: str) -> Callable[[], Awaitable[bool]]:
        async def may_deliver() -> bool:
            if name != leader:
                refused.add(name)
            return name == leader

        return may_deliver

    async with (
        serving() as server,
        webhook_to(pool, server, may_deliver=may("first")) as name,
        webhook_to(pool, server, name=name, may_deliver=may("second")),
    ):
        expected = await issue(pool, 3)
        await until(lambda: len(server.requests) >= 3)
        leader = ""
        await until(lambda: "first" in refused)  # it has noted what was acknowledged
        leader = "second"
        expected += await issue(pool, 3)
        await until(lambda: len(server.requests) >= 6)
        assert server.ivorns == expected


async def test_a_server_that_is_not_there_is_a_failure() -> None:
    webhook = Webhook(WebhookSettings(name="gone", url="http://127.0.0.1:9/", allow_private=True))
    with pytest.raises(DeliveryError):
        await webhook.deliver([ALERT])
    await webhook.aclose()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://169.254.169.254/"]
)
async def test_a_private_address_is_not_contacted(url: str) -> None:
    webhook = Webhook(WebhookSettings(name="near", url=url))
    with pytest.raises(DeliveryError, match="not public"):
        await webhook.deliver([ALERT])
    await webhook.aclose()


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "192.168.1.1", "172.16.0.1", "::1", "fe80::1%eth0", "fc00::1", "0.0.0.0",  # noqa: S104
     "::ffff:127.0.0.1", "100.64.0.1"],
)  # fmt: skip
def test_one_private_address_among_public_ones_is_enough(address: str) -> None:
    assert check_addresses("a", ["8.8.8.8"], allow_private=False) == "8.8.8.8"
    with pytest.raises(DeliveryError):
        check_addresses("a", ["8.8.8.8", address], allow_private=False)


def test_they_are_named_in_the_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "site.toml"
    path.write_text(
        '[[distribute.webhooks]]\nname = "robot"\nurl = "https://robot.example.org/in"\n'
        'secret = "0123456789abcdef"\n'
    )
    monkeypatch.setenv("LIVETRAP_CONFIG", str(path))
    (webhook,) = Settings().distribute.webhooks
    assert str(webhook.url) == "https://robot.example.org/in"
    assert run(["settings"]) == 0
    shown = capsys.readouterr().out
    assert "robot.example.org" in shown
    assert "0123456789abcdef" not in shown
