"""Single answers: content negotiation, errors, accounting, an unavailable database."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import fastavro
import httpx
import pytest
import pytest_asyncio

from api.app import create_app, create_context
from livetrap.cli import run
from runtime.settings import ApiProcessSettings
from schemas.registry import list_versions
from tests.support.api_rows import Rows, rows_of
from tests.support.api_service import client_of, settings_for
from tests.support.databases import replace_database

NOWHERE = "postgresql://livetrap@127.0.0.1:1/livetrap"


def assert_problem(answer: httpx.Response, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    for word in words:
        assert word in body["detail"], body


@asynccontextmanager
async def started(settings: ApiProcessSettings) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the application, whether or not it becomes ready."""
    app = create_app(create_context(settings))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            yield client


@pytest_asyncio.fixture
async def client(postgres_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(postgres_url) as opened:
        yield opened


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/xml", "application/xml"),
        ("application/json;q=0.4, application/xml;q=0.9", "application/xml"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/xml"),
    ],
)
async def test_an_alert_has_the_format_that_accept_prefers(
    postgres_url: str, client: httpx.AsyncClient, accept: str | None, media_type: str
) -> None:
    async with rows_of(postgres_url) as rows:
        number = await rows.alert()
        headers = {} if accept is None else {"Accept": accept}
        answer = await client.get(f"/api/v1/alerts/{number}", headers=headers)
        assert answer.headers["content-type"].split(";")[0] == media_type
        assert answer.headers["vary"].lower().startswith("accept")
        if media_type == "application/xml":
            assert answer.content == b"<voe:VOEvent/>"
        else:
            assert list(answer.json()) == ["id"]


async def test_an_alert_is_found_by_number_ivorn_and_trig_id(
    postgres_url: str, client: httpx.AsyncClient
) -> None:
    async with rows_of(postgres_url) as rows:
        ivorn = f"ivo://org.livetrap.test/{rows.stream}#fam.0"
        family = rows.stream
        first = await rows.alert(ivorn=ivorn, trig_id=family, voevent=b"<first/>")
        await rows.alert(trig_id=family, revision=1, voevent=b"<second/>")
        xml = {"Accept": "application/xml"}
        escaped = ivorn.replace("#", "%23")
        for name, expected in ((first, "<first/>"), (escaped, "<first/>"), (family, "<second/>")):
            answer = await client.get(f"/api/v1/alerts/{name}", headers=xml)
            assert answer.text == expected


async def test_a_format_that_alerts_lack_is_not_acceptable(
    postgres_url: str, client: httpx.AsyncClient
) -> None:
    async with rows_of(postgres_url) as rows:
        address = f"/api/v1/alerts/{await rows.alert()}"
        answer = await client.get(address, headers={"Accept": "image/png"})
        assert_problem(answer, 406, "application/json", "application/xml", "image/png")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("transients?limit=501", ["limit", "500"]),
        ("transients?limit=0", ["limit"]),
        ("transients?kind=supernova", ["kind", "new_source", "supernova"]),
        ("transients?since=yesterday", ["since", "yesterday"]),
        ("transients?since=60339.5", ["since", "mjd:"]),
        ("transients?min_snr=nan", ["min_snr"]),
        ("transients?cursor=rubbish", ["cursor", "leave it out"]),
        ("transients?cursor=WyJ4IiwxXQ", ["cursor"]),
        ("sources?cursor=WyJ4IiwxXQ", ["cursor"]),
        ("sources?ra=10&dec=10", ["ra, dec and radius_deg"]),
        ("sources?ra=10&dec=91&radius_deg=1", ["dec", "90"]),
        ("sources?ra=10&dec=1&radius_deg=181", ["radius_deg", "180"]),
        ("sources?minimum_eta=3", ["minimum_eta", "min_eta"]),
        ("sources?stream=a%00b", ["parameter"]),
        ("sources/0", ["source_id"]),
        ("sources/99999999999999999999", ["source_id"]),
        ("sources/1/lightcurve?format=pdf", ["format", "votable"]),
        ("alerts/stream?last_event_id=x", ["Last-Event-ID"]),
        ("slo?window_minutes=-1", ["window_minutes"]),
        ("alerts/1?form=xml", ["form", "it takes format"]),
        ("alerts/1/deliveries?limit=1", ["limit", "it takes none"]),
    ],
)
async def test_a_wrong_parameter_is_explained(
    client: httpx.AsyncClient, address: str, words: list[str]
) -> None:
    assert_problem(await client.get(f"/api/v1/{address}"), 400, *words)


@pytest.mark.parametrize(
    "address",
    ["transients/999999999", "sources/999999999", "sources/999999999/lightcurve",
     "alerts/999999999/deliveries", "alerts/ivo://nobody/deliveries",
     "images/999999999", f"images/{'0' * 64}", "alerts/999999999", "alerts/ivo://nobody", "moon"],
)  # fmt: skip
async def test_a_missing_resource_is_a_404(client: httpx.AsyncClient, address: str) -> None:
    assert_problem(await client.get(f"/api/v1/{address}"), 404)


@pytest.mark.parametrize(
    "path", ["now", "favicon.ico", "robots.txt", "%00", "transient", "a" * 999]
)
async def test_a_page_that_is_not_there_is_a_404(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/{path}")
    assert_problem(answer, 404)
    assert "/docs" in answer.json()["detail"]


async def test_a_read_only_resource_refuses_post(client: httpx.AsyncClient) -> None:
    assert_problem(await client.post("/api/v1/transients"), 405)


async def test_an_internal_error_shows_no_internals(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: Any) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr("api.storage.database.Database.fetch", crash)
    answer = await client.get("/api/v1/ledger")
    assert_problem(answer, 500)
    assert "inside" not in answer.text


async def test_without_a_database_it_is_alive_but_not_ready() -> None:
    async with started(settings_for(NOWHERE)) as client:
        assert (await client.get("/healthz")).status_code == 200
        for address in ("/readyz", "/api/v1/transients", "/api/v1/alerts/stream"):
            answer = await client.get(address)
            assert_problem(answer, 503, "PostgreSQL")
            assert answer.headers["retry-after"]


async def test_a_missing_schema_is_answered_with_the_command(postgres_url: str) -> None:
    async with (
        unmigrated_database(postgres_url) as url,
        started(settings_for(url)) as client,
    ):
        answer = await poll(client, "/readyz", "livetrap migrate")
        assert_problem(answer, 503, "livetrap migrate")


async def poll(client: httpx.AsyncClient, address: str, words: str) -> httpx.Response:
    """Return the first answer with these words: connecting takes a moment."""
    async with asyncio.timeout(60):
        while words not in (answer := await client.get(address)).text:  # noqa: ASYNC110  (polled)
            await asyncio.sleep(0.02)
    return answer


@asynccontextmanager
async def unmigrated_database(postgres_url: str) -> AsyncIterator[str]:
    connection = await asyncpg.connect(postgres_url)
    name = f"unmigrated_{uuid.uuid4().hex[:12]}"
    try:
        await connection.execute(f"create database {name}")
        yield replace_database(postgres_url, name)
        await connection.execute(f"drop database {name} with (force)")
    finally:
        await connection.close()


async def test_a_query_that_takes_too_long_is_cancelled(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.storage.pools._STATEMENT_TIMEOUT_MS", 5)
    async with rows_of(postgres_url) as rows:
        image = await rows.image(0)
        source = await rows.source(10.0, 10.0, image=image)
        await rows.many_points(source, image, 20_000)
        async with started(settings_for(postgres_url)) as client:
            answer = await poll(client, f"/api/v1/sources/{source}", "too long")
            assert_problem(answer, 503, "narrow it")


async def test_images_are_accounted_for(postgres_url: str, client: httpx.AsyncClient) -> None:
    before = (await client.get("/api/v1/ledger")).json()
    async with rows_of(postgres_url) as rows:
        for outcome, reason, n_images in (
            ("processed", "", 5), ("rejected", "no_beam", 2), ("rejected", "no_wcs", 1),
        ):  # fmt: skip
            await rows.connection.execute(
                "insert into ledger_total values ($1, $2, $3, $4)",
                rows.stream, outcome, reason, n_images,
            )  # fmt: skip
        ledger = (await client.get("/api/v1/ledger")).json()
        assert ledger["total"] == before["total"] + 8
        assert ledger["total"] == sum(ledger["outcomes"].values())
        (mine,) = [each for each in ledger["streams"] if each["stream"] == rows.stream]
        assert mine["outcomes"] == {"processed": 5, "rejected": 3}
        assert ledger["reasons"]["no_beam"] == before["reasons"].get("no_beam", 0) + 2


async def test_latencies_of_every_stage(postgres_url: str, client: httpx.AsyncClient) -> None:
    async with rows_of(postgres_url) as rows:
        await rows.image(0)
        await rows.alert()
        body = (await client.get("/api/v1/slo")).json()
        stages = {each["stage"]: each for each in body["stages"]}
        # Channels are there too when other tests have sent alerts.
        assert {"ingest", "extract", "associate", "image_total", "alert_total"} <= set(stages)
        for each in stages.values():
            assert each["n"] >= 1
            assert 0 <= each["p50_s"] <= each["p90_s"] <= each["p99_s"]


async def test_the_contract_is_served(client: httpx.AsyncClient) -> None:
    contract = (await client.get("/api/v1/openapi.json")).json()
    assert contract["openapi"].startswith("3.")
    assert contract["paths"]["/api/v1/ledger"]["get"]["operationId"] == "get_ledger"


async def test_requests_are_counted_by_route(client: httpx.AsyncClient) -> None:
    await client.get("/api/v1/sources/999999999")
    text = (await client.get("/metrics")).text
    for header in ("X-Forwarded-For", "Forwarded"):
        assert (await client.get("/metrics", headers={header: "for=192.0.2.1"})).status_code == 404
    assert 'route="/api/v1/sources/{source_id}",status="404"' in text


async def test_the_page_loads_nothing_from_other_hosts(client: httpx.AsyncClient) -> None:
    for address in ("/", "/docs"):
        answer = await client.get(address)
        assert answer.status_code == 200
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "https://" not in answer.text


async def test_the_slo_has_the_acknowledgement_of_each_channel(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        number = await rows.alert()
        await rows.connection.execute(
            "insert into delivery (alert_id, channel, subscriber, time_sent, time_acknowledged) "
            "select id, 'vtp', $2, time_alert, time_alert + interval '2 s' from alert "
            "where id = $1",
            number, rows.stream,
        )  # fmt: skip
        stages = (await client.get("/api/v1/slo")).json()["stages"]
        assert any(stage["stage"] == "acknowledged_vtp" and stage["p99_s"] > 0 for stage in stages)


DELIVERIES = [
    ("kafka", "both topics", 0.1, 0.2),
    ("vtp", "ivo://org.robot/one@192.0.2.7", 0.2, 0.5),
    ("vtp", "anonymous@2001:db8::7", 0.3, None),
    ("vtp", "192.0.2.9@192.0.2.9", 0.4, 0.6),
    ("webhook", "robot-2", 0.7, 0.7),
    ("vtp", "@192.0.2.8", 0.8, None),
    ("broker", "comet-nl", 0.9, 1.0),
    ("email", "digest", 1.1, 1.2),
]
NAMES = [
    "both topics", "ivo://org.robot/one", "anonymous", "anonymous", "robot-2", "anonymous",
    "comet-nl", "digest",
]  # fmt: skip


async def deliver(rows: Rows, number: int) -> None:
    for channel, subscriber, sent_s, acknowledged_s in reversed(DELIVERIES):
        await rows.connection.execute(
            "insert into delivery (alert_id, channel, subscriber, time_sent, time_acknowledged) "
            "select id, $2, $3, time_alert + make_interval(secs => $4), "
            "time_alert + make_interval(secs => $5) from alert where id = $1",
            number, channel, subscriber, sent_s, acknowledged_s,
        )  # fmt: skip


async def test_deliveries_are_public_without_addresses(
    postgres_url: str, client: httpx.AsyncClient
) -> None:
    async with rows_of(postgres_url) as rows:
        ivorn = f"ivo://org.livetrap.test/{rows.stream}#fam.1"
        await rows.alert(trig_id=rows.stream)
        number = await rows.alert(trig_id=rows.stream, ivorn=ivorn, revision=1)
        empty = await client.get(f"/api/v1/alerts/{number}/deliveries")
        assert empty.json() == {"ivorn": ivorn, "items": []}
        await deliver(rows, number)
        answers = [
            await client.get(f"/api/v1/alerts/{name}/deliveries")
            for name in (number, ivorn.replace("#", "%23"), rows.stream)
        ]
        assert len({answer.text for answer in answers}) == 1
        body = answers[0].json()
        assert body["ivorn"] == ivorn
        assert [each["channel"] for each in body["items"]] == [each[0] for each in DELIVERIES]
        assert [each["subscriber"] for each in body["items"]] == NAMES
        assert "192.0.2" not in answers[0].text
        assert "2001:db8" not in answers[0].text
        is_acknowledged = [each["time_acknowledged"] is not None for each in body["items"]]
        assert is_acknowledged == [each[3] is not None for each in DELIVERIES]


async def test_an_operator_sees_the_addresses_of_subscribers(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(tmp_path / "no-stack"))
    async with rows_of(postgres_url) as rows:
        number = await rows.alert(trig_id=rows.stream)
        command = ["alerts", "deliveries", rows.stream]
        assert await asyncio.to_thread(run, command) == 0
        assert capsys.readouterr().out == "sent to no subscriber yet\n"
        await deliver(rows, number)
        assert await asyncio.to_thread(run, [*command, "--json"]) == 0
        listed = json.loads(capsys.readouterr().out)
        assert [each["subscriber"] for each in listed] == [each[1] for each in DELIVERIES]
        assert await asyncio.to_thread(run, ["alerts", "deliveries", str(number)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert "ivo://org.robot/one@192.0.2.7" in lines[1]
        assert "  acknowledged" in lines[1]
        assert "not acknowledged" in lines[2]
    assert await asyncio.to_thread(run, ["alerts", "deliveries", "nobody"]) == 2
    assert "no alert 'nobody'" in capsys.readouterr().err


async def test_a_retracted_transient_has_its_reason(
    postgres_url: str, client: httpx.AsyncClient
) -> None:
    async with rows_of(postgres_url) as rows:
        image = await rows.image(0)
        for state, reason in (("active", None), ("retracted", "side lobe of Cyg A")):
            number = await rows.transient(
                await rows.source(10.0, 10.0, image=image),
                image=image, state=state, retraction_reason=reason,
            )  # fmt: skip
            body = (await client.get(f"/api/v1/transients/{number}")).json()
            assert (body["state"], body["retracted_because"]) == (state, reason)


async def test_avro_schemas_are_served_as_by_a_schema_registry(postgres_url: str) -> None:
    async with client_of(postgres_url) as client:
        for version in list_versions():
            answer = await client.get(f"/api/v1/schemas/ids/{version.schema_id}")
            assert fastavro.parse_schema(json.loads(answer.json()["schema"])) == version.load()
        assert (await client.get("/api/v1/schemas/ids/99")).status_code == 404


async def test_the_schema_of_a_notice_is_served(postgres_url: str) -> None:
    async with client_of(postgres_url) as client:
        answer = await client.get("/api/v1/schemas/radio_transient")
        assert answer.headers["content-type"] == "application/schema+json"
        assert answer.json()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
