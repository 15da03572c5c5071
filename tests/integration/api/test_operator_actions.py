"""What an operator does over REST: retract a transient, send a dead letter again."""

import uuid
from typing import Any

import asyncpg
import pytest

from runtime.kafka import OutMessage, create_producer, ensure_topics, produce_and_wait
from runtime.settings import KafkaSettings
from schemas.codec import decode_source_event
from schemas.topics import Topics
from tests.integration.api.test_tokens import issue, new_name
from tests.support.api_rows import rows_of
from tests.support.api_service import client_of
from tests.support.association import associator
from tests.support.records import image, sources

AUDIT = "/api/v1/audit"
WHY = {"reason": "  side lobe   of Cyg A "}


async def outbox_of(url: str, stream: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "select topic, value from outbox where key = $1 order by id", stream
        )
        return [decode_source_event(row["value"]) for row in rows if "transients" in row["topic"]]
    finally:
        await connection.close()


async def test_a_transient_is_retracted_once_and_audited(postgres_url: str) -> None:
    name = new_name()
    async with associator(postgres_url) as night, client_of(postgres_url) as client:
        for step, flux_jy in enumerate((None, 0.05)):
            found = [] if flux_jy is None else [(123.4, 10.2)]
            others = [(123.0, 10.0), *found]
            fluxes = [0.02, *([flux_jy] if flux_jy else [])]
            await night.feed(image(step, sources(others, flux_jy=fluxes)))
        listed = await client.get("/api/v1/transients", params={"stream": night.stream})
        (transient,) = listed.json()["items"]
        address = f"/api/v1/transients/{transient['id']}/retraction"
        assert (await client.post(address, json=WHY)).status_code == 401
        weak = await issue(postgres_url, new_name(), ["annotate"])
        assert (await client.post(address, json=WHY, headers=weak)).status_code == 403
        headers = await issue(postgres_url, name, ["operate"])
        done = await client.post(address, json=WHY, headers=headers)
        assert done.status_code == 201, done.text
        assert done.json()["reason"] == "side lobe of Cyg A"
        assert (await client.post(address, json=WHY, headers=headers)).status_code == 409
        after = (await client.get(f"/api/v1/transients/{transient['id']}")).json()
        assert (after["state"], after["retracted_because"]) == ("retracted", "side lobe of Cyg A")
        event = (await outbox_of(postgres_url, night.stream))[-1]
        assert (event.kind, event.note) == ("retraction", "side lobe of Cyg A")
        assert event.trig_id == transient["trig_id"] == done.json()["trig_id"]
        audit = await client.get(AUDIT, params={"actor": name}, headers=headers)
        (noted,) = audit.json()["items"]
        assert (noted["action"], noted["object_id"]) == ("retract", str(transient["id"]))
        assert noted["row_before"] == {"state": "active"}
        assert noted["row_after"]["reason"] == "side lobe of Cyg A"


@pytest.mark.parametrize("reason", ["", "  ", "a\nb", "x" * 501, None])
async def test_a_retraction_has_a_reason_of_one_line(postgres_url: str, reason: Any) -> None:
    async with client_of(postgres_url, write_token="correct horse") as client:  # noqa: S106
        answer = await client.post(
            "/api/v1/transients/1/retraction",
            json={"reason": reason},
            headers={"Authorization": "Bearer correct horse"},
        )
        assert answer.status_code == 400
        assert "reason" in answer.json()["detail"]


async def test_dead_letters_are_listed_and_sent_again(
    postgres_url: str, kafka_bootstrap: str
) -> None:
    kafka = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"{uuid.uuid4().hex}.", partitions=1
    )
    ensure_topics(kafka)
    topics = Topics(kafka.topic_prefix)
    origin = {"topic": topics.forced_requests, "partition": "0", "offset": "7"}
    why = {"service": "extract", "reason": "bad_wcs", "error": "é", "time": "2026-11-23T20:00:00Z"}
    letters = [
        OutMessage(topics.dead_letters, "a:1", b"first", origin | why | {"kept": "yes"}),
        OutMessage(topics.dead_letters, "a:1", b"cut", origin | why | {"truncated-from": "9"}),
        OutMessage(topics.dead_letters, "a:1", b"last", origin | why),
    ]
    for letter in letters:
        produce_and_wait(create_producer(kafka), [letter])
    name = new_name()
    async with rows_of(postgres_url), client_of(postgres_url, kafka) as client:
        headers = await issue(postgres_url, name, ["operate"])
        address = "/api/v1/dead-letters"
        assert (await client.get(address)).status_code == 401
        listed = (await client.get(address, params={"limit": 2}, headers=headers)).json()["items"]
        assert [each["position"] for each in listed] == ["0:2", "0:1"]
        assert listed[0]["error"] == "é"
        sent = await client.post(f"{address}/0:0/redrive", headers=headers)
        assert (sent.status_code, sent.json()["source"]) == (201, f"{origin['topic']}:0:7")
        for position, status in (("0:1", 409), ("0:9", 404), ("5:0", 404), ("x", 400)):
            refused = await client.post(f"{address}/{position}/redrive", headers=headers)
            assert refused.status_code == status, refused.text
        audit = await client.get(AUDIT, params={"actor": name}, headers=headers)
        assert [each["object_id"] for each in audit.json()["items"]] == ["0:0"]


async def test_a_broker_that_is_away_is_named(postgres_url: str) -> None:
    away = KafkaSettings(bootstrap_servers="127.0.0.1:9")
    async with client_of(postgres_url, away, write_token="correct horse") as client:  # noqa: S106
        headers = {"Authorization": "Bearer correct horse"}
        answer = await client.get("/api/v1/dead-letters", headers=headers)
        assert answer.status_code == 503
        assert "Kafka at 127.0.0.1:9" in answer.json()["detail"]
