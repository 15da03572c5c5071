"""Tags, classifications and comments: written with the scope, read by everybody, audited."""

from typing import Any

import httpx
import pytest

from tests.integration.api.test_tokens import issue, new_name
from tests.support.api_rows import Rows, rows_of
from tests.support.api_service import client_of

FLARE = {"classification": "flare star", "probability": 0.9, "origin": "anna"}


async def new_source(rows: Rows) -> str:
    source = await rows.source(10.0, 10.0, image=await rows.image(0))
    return f"/api/v1/sources/{source}"


async def post(
    client: httpx.AsyncClient, address: str, body: Any, headers: dict[str, str]
) -> dict[str, Any]:
    answer = await client.post(address, json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json()) | {"location": answer.headers["location"]}


async def test_what_is_said_about_a_source_is_read_again(postgres_url: str) -> None:
    name = new_name()
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        headers = await issue(postgres_url, name, ["annotate"])
        address = await new_source(rows)
        first = await post(client, f"{address}/tags", {"tag": "follow"}, headers)
        again = await post(client, f"{address}/tags", {"tag": "follow"}, headers)
        flare = await post(client, f"{address}/classifications", FLARE, headers)
        body = {"body": "two\nlines <b>&amp; é"}
        comment = await post(client, f"{address}/comments", body, headers)
        assert first == again
        await rows.copy_statistics()
        for place in ({}, {"ra": 10, "dec": 10, "radius_deg": 1}):
            asked = {"stream": rows.stream, **place}
            for tag, n_found in (("follow", 1), ("other", 0)):
                found = await client.get("/api/v1/sources", params={"tag": tag, **asked})
                assert len(found.json()["items"]) == n_found
        said = (await client.get(f"{address}/annotations")).json()
        assert [each["tag"] for each in said["tags"]] == ["follow"]
        assert said["comments"] == [{k: v for k, v in comment.items() if k != "location"}]
        assert said["comments"][0]["body"] == body["body"]
        assert said["classifications"][0]["probability"] == 0.9
        assert {each["actor"] for many in said.values() for each in many} == {name}
        for written in (first, flare, comment):
            assert (await client.delete(written["location"], headers=headers)).status_code == 204
            assert (await client.delete(written["location"], headers=headers)).status_code == 404
        said = (await client.get(f"{address}/annotations")).json()
        assert said == {"tags": [], "classifications": [], "comments": []}


async def test_an_origin_says_one_thing_and_the_audit_has_the_earlier(postgres_url: str) -> None:
    name = new_name()
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        headers = await issue(postgres_url, name, ["annotate", "operate"])
        address = f"{await new_source(rows)}/classifications"
        await post(client, address, FLARE, headers)
        other = {"classification": "pulsar", "origin": "classifier 1.2", "note": "P = 1.3 s"}
        await post(client, address, other, headers)
        await post(client, address, FLARE | {"classification": "satellite"}, headers)
        said = (await client.get(address.replace("classifications", "annotations"))).json()
        assert [each["classification"] for each in said["classifications"]] == [
            "satellite", "pulsar",
        ]  # fmt: skip
        asked = {"actor": name, "object": "source_classification"}
        audit = (await client.get("/api/v1/audit", params=asked, headers=headers)).json()["items"]
        assert [each["action"] for each in audit] == ["update", "insert", "insert"]
        assert audit[0]["row_before"]["classification"] == "flare star"


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("tags", {"tag": "Follow"}), ("tags", {"tag": ""}), ("tags", {"tag": "a b"}),
        ("tags", {"tag": "x" * 41}), ("comments", {"body": ""}), ("comments", {"body": "\x00"}),
        ("comments", {"body": "x" * 4001}), ("comments", {"text": "x"}),
        ("classifications", FLARE | {"probability": 1.1}),
        ("classifications", FLARE | {"classification": "a\nb"}),
        ("classifications", FLARE | {"origin": ""}), ("classifications", {"classification": None}),
        ("classifications", {}),
    ],
)  # fmt: skip
async def test_a_wrong_annotation_is_refused_by_name(
    postgres_url: str, kind: str, wrong: dict[str, Any]
) -> None:
    async with client_of(postgres_url, write_token="correct horse") as client:  # noqa: S106
        headers = {"Authorization": "Bearer correct horse"}
        answer = await client.post(f"/api/v1/sources/1/{kind}", json=wrong, headers=headers)
        assert answer.status_code == 400
        assert any(name in answer.json()["detail"] for name in wrong or ["classification"])


async def test_annotating_needs_the_scope_and_a_source(postgres_url: str) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        address = await new_source(rows)
        operator = await issue(postgres_url, new_name(), ["operate", "read"])
        body = {"tag": "follow"}
        assert (await client.post(f"{address}/tags", json=body)).status_code == 401
        refused = await client.post(f"{address}/tags", json=body, headers=operator)
        assert refused.status_code == 403
        headers = await issue(postgres_url, new_name(), ["annotate"])
        missing = "/api/v1/sources/999999999"
        nobody = await client.post(f"{missing}/tags", json=body, headers=headers)
        assert nobody.status_code == 404
        assert (await client.get(f"{missing}/annotations")).status_code == 404
