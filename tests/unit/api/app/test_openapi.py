"""The description of the API: every route explains itself, and its examples are true."""

import csv
import io
import json
from functools import lru_cache
from importlib import import_module
from importlib.resources import files
from pkgutil import iter_modules
from typing import Any

import httpx
import jsonschema_rs
import pytest
from astropy.io.votable import parse_single_table
from fastapi import APIRouter
from fastapi.routing import APIRoute
from lxml import etree

from api.app import create_app, create_context
from api.app.middleware import _MAX_BODY_BYTES
from api.handlers import __path__ as handlers_path
from api.models.alerts import AlertItem
from api.models.lightcurves import LightCurvePoint
from runtime.settings import ApiProcessSettings

EXAMPLES = files("api") / "examples"


@lru_cache(maxsize=1)
def contract() -> dict[str, Any]:
    return create_app(create_context(ApiProcessSettings())).openapi()


@lru_cache(maxsize=1)
def operations() -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation
        for methods in contract()["paths"].values()
        for operation in methods.values()
    }


def routes() -> list[str]:
    """Return the names of all routes; the description of them takes half a second to make."""
    modules = (import_module(f"api.handlers.{each.name}") for each in iter_modules(handlers_path))
    routers = [each for module in modules for each in vars(module).values()]
    return sorted(
        {
            route.name
            for router in routers
            if isinstance(router, APIRouter)
            for route in router.routes
            if isinstance(route, APIRoute) and route.include_in_schema
        }
    )


@pytest.fixture
def operation(route: str) -> dict[str, Any]:
    return operations()[route]


def test_the_description_has_every_route_and_no_other() -> None:
    assert sorted(operations()) == routes()
    assert len(operations()) == sum(map(len, contract()["paths"].values()))


async def test_a_request_does_not_wait_for_the_description_of_all_paths() -> None:
    app = create_app(create_context(ApiProcessSettings()))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        refused = await client.get("/api/v1/services", params={"a": 1})
        assert refused.status_code == 400
        assert app.openapi_schema is None
        assert (await client.get("/api/v1/openapi.json")).json() == contract()


@pytest.mark.parametrize("route", routes())
def test_a_route_has_a_summary_a_description_and_documented_parameters(
    operation: dict[str, Any],
) -> None:
    assert operation["summary"][0].isupper()
    assert operation["description"].endswith(".")
    assert operation["summary"].lower() != operation["operationId"].replace("_", " ")
    for parameter in operation.get("parameters", []):
        assert parameter.get("description"), parameter["name"]
    assert "422" not in operation["responses"]


@pytest.mark.parametrize("route", routes())
def test_a_route_has_an_example(operation: dict[str, Any]) -> None:
    found = [answer for code, answer in operation["responses"].items() if code[0] == "2"]
    if not found:
        assert "303" in operation["responses"]  # it goes to another address
        return
    # Besides the one that has something there may be one that has nothing.
    (answer,) = [each for each in found if "content" in each] or found
    for media_type, content in answer.get("content", {}).items():
        assert content.get("example"), media_type
    if "content" not in answer:
        assert all(parameter.get("examples") or parameter["schema"].get("examples")
                   for parameter in operation["parameters"])  # fmt: skip


def test_every_form_of_an_answer_is_declared() -> None:
    paths = contract()["paths"]
    declared = {
        path: set(paths[f"/api/v1/{path}"]["get"]["responses"]["200"]["content"])
        for path in ("sources/{source_id}/lightcurve", "alerts/{alert}", "alerts/stream")
    }
    assert declared == {
        "sources/{source_id}/lightcurve": {
            "application/json", "text/csv", "application/x-votable+xml",
        },
        "alerts/{alert}": {"application/json", "application/xml"},
        "alerts/stream": {"text/event-stream"},
    }  # fmt: skip


def test_every_example_belongs_to_a_route() -> None:
    assert {file.name.split(".")[0] for file in EXAMPLES.iterdir()} <= operations().keys()


@pytest.mark.parametrize("route", routes())
def test_an_example_of_json_has_the_fields_and_types_of_its_schema(
    operation: dict[str, Any],
) -> None:
    components = {
        name: each | ({"additionalProperties": False} if "properties" in each else {})
        for name, each in contract()["components"]["schemas"].items()
    }
    for answer in operation["responses"].values():
        content = answer.get("content", {}).get("application/json", {})
        if "schema" in content:
            schema = content["schema"] | {"components": {"schemas": components}}
            jsonschema_rs.Draft202012Validator(schema).validate(content["example"])


def test_the_examples_of_an_alert_are_valid() -> None:
    schema = json.loads((files("schemas") / "json" / "radio_transient.schema.json").read_bytes())
    notice = json.loads((EXAMPLES / "get_alert.json").read_text())
    jsonschema_rs.Draft202012Validator(schema).validate(notice)
    packet = etree.fromstring((EXAMPLES / "get_alert.xml").read_bytes())
    assert packet.get("ivorn") == notice["ivorn"]
    assert packet.get("version") == "2.0"


def test_the_examples_of_a_light_curve_are_the_same_points() -> None:
    points = json.loads((EXAMPLES / "get_lightcurve.json").read_text())["points"]
    table = parse_single_table(io.BytesIO((EXAMPLES / "get_lightcurve.vot").read_bytes()))
    rows = list(csv.DictReader((EXAMPLES / "get_lightcurve.csv").read_text().splitlines()))
    assert list(rows[0]) == list(LightCurvePoint.model_fields) == list(points[0])
    for name in ("flux_int_jy", "snr"):
        values = [point[name] for point in points]
        assert [float(row[name]) for row in rows] == table.array[name].tolist() == values


def test_the_example_of_the_stream_is_an_event() -> None:
    *_, event = (EXAMPLES / "stream_alerts.sse").read_text().removesuffix("\n\n").split("\n\n")
    fields = dict(line.split(": ", 1) for line in event.split("\n"))
    assert fields["event"] == "alert"
    item = json.loads(fields["data"])
    assert item.pop("notice")
    assert str(AlertItem.model_validate(item).id) == fields["id"]


def bodies() -> list[tuple[str, dict[str, Any]]]:
    """Return the schemas of all bodies in JSON."""
    found = []
    for name, operation in operations().items():
        content = operation.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        if schema is not None:
            found.append((name, schema))
    return found


def longest(schema: dict[str, Any]) -> Any:
    """Return a value with the longest texts that a schema takes, each a byte a character."""
    if "$ref" in schema:
        schema = contract()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    choices = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    if choices:
        return max(map(longest, choices), key=lambda value: len(json.dumps(value)))
    if "properties" in schema:
        return {name: longest(each) for name, each in schema["properties"].items()}
    if schema.get("type") == "array":
        return [longest(schema["items"])] * schema.get("maxItems", 1)
    if schema.get("type") == "string":
        return "a" * schema.get("maxLength", 100)
    return 1234567890.123456


def test_a_body_holds_the_longest_value_of_every_field_at_once() -> None:
    assert len(bodies()) > 5
    sizes = {name: len(json.dumps(longest(schema))) for name, schema in bodies()}
    assert {name: size for name, size in sizes.items() if size > _MAX_BODY_BYTES} == {}
    assert max(sizes.values()) > 50_000  # the lengths were found
