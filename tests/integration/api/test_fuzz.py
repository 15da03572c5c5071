"""Every path that reads, with right and wrong values, against its own description."""

import io
import os
import random
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from astropy.io import fits
from astropy.io.votable import parse as parse_votable

from tests.support.api_rows import rows_of
from tests.support.api_service import app_of, client_of
from tests.support.fits_images import CARDS

# Of each path; `make fuzz` asks for 50, and with FUZZ_SEED for others.
SEED = int(os.environ.get("FUZZ_SEED", "18"))
N_EXAMPLES = int(os.environ.get("FUZZ_API_EXAMPLES", "12"))
# The stream of alerts ends only when its client goes.
ENDLESS = {"/api/v1/alerts/stream"}
HOSTILE = (
    "NaN", "inf", "-inf", "1e308", "-1e308", "-1", "0", "", " ", "%", "null", "true", "1e5",
    "99999999999999999999", "' or 1=1 --", "x" * 10_000, "\x00", "é☃", "🛰", "../../etc", "<a>",
    "mjd:1e99", "mjd:60339.5", "60339.5", "2026-01-01", "9999-12-31T23:59:59-14:00",
    "12:34:56", "-12d34m56s", "[1,2]", "{}", "WyJldGEiLDAsMS4wLDFd", "ivo://x#y.0",
)  # fmt: skip


def right_value(schema: dict[str, Any], rng: random.Random) -> str:
    """Return a value that a schema allows."""
    schema = rng.choice([each for each in schema.get("anyOf", [schema])
                         if each.get("type") != "null"])  # fmt: skip
    if "enum" in schema:
        return str(rng.choice(schema["enum"]))
    if schema.get("type") == "array":
        return right_value(schema["items"], rng)
    if schema.get("type") in {"number", "integer"}:
        low = schema.get("minimum", schema.get("exclusiveMinimum", -1e3))
        high = schema.get("maximum", 1e3)
        value = rng.uniform(low, min(high, 1e6))
        return str(int(value)) if schema["type"] == "integer" else repr(value)
    return {"boolean": "true"}.get(schema.get("type", ""), rng.choice(HOSTILE[:20]))


def make_address(
    path: str, operation: dict[str, Any], known: dict[str, str], rng: random.Random
) -> str:
    query = []
    for parameter in operation.get("parameters", []):
        name, schema = parameter["name"], parameter["schema"]
        value = right_value(schema, rng) if rng.random() < 0.7 else rng.choice(HOSTILE)
        if name in known and rng.random() < 0.7:
            value = known[name]
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", quote(value or "0", safe=""))
        elif parameter["in"] == "query" and (parameter["required"] or rng.random() < 0.15):
            query.append((name, value))
    return f"{path}?{urlencode(query)}" if query else path


def detail_of(answer: httpx.Response, media_type: str) -> str:
    """Return what an error says, in JSON or, of the Virtual Observatory, in a VOTable."""
    if media_type == "text/plain":
        return answer.text
    if "votable" not in media_type:
        return str(answer.json()["detail"])
    resource = parse_votable(io.BytesIO(answer.content)).resources[0]
    (status,) = [info for info in resource.infos if info.name == "QUERY_STATUS"]
    assert status.value == "ERROR", answer.text[:300]
    return str(status.content)


def assert_declared(answer: httpx.Response, operation: dict[str, Any], address: str) -> None:
    words = f"{address[:300]}: {answer.status_code} {answer.text[:300]}"
    assert answer.status_code < 500, words
    declared = operation["responses"].get(
        str(answer.status_code), operation["responses"]["default"]
    )
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    assert media_type in declared.get("content", {"": {}}), words
    if answer.status_code >= 400:
        assert len(detail_of(answer, media_type)) > 10, words


async def test_every_path_answers_as_its_description_says(postgres_url: str) -> None:
    rng = random.Random(SEED)
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        header = fits.Header(list(CARDS.items())).tostring(sep="\n")
        place = {
            "wcs_header": header, "width_px": 64, "height_px": 64, "field_radius_deg": 0.45,
            "field_ra": 10.0, "field_dec": 20.0, "margin_px": 0,
        }  # fmt: skip
        # One whose pixels nobody asks for (there is no Kafka), and one that maps show.
        image = await rows.image(0)
        await rows.image(1, **place)
        source = await rows.source(10.0, 10.0, image=image)
        await rows.point(source, image)
        transient = await rows.transient(source, image=image)
        alert = await rows.alert(transient_id=transient)
        await rows.copy_statistics()
        known = {
            "source_id": str(source), "image": str(image), "transient_id": str(transient),
            "alert": str(alert), "stream": rows.stream, "ra": "10", "dec": "10",
            "radius_deg": "1", "RA": "10", "DEC": "10", "SR": "1", "POS": "CIRCLE 10 10 1",
            "CIRCLE": "10 10 1", "BAND": "1 2", "TIME": "60000 70000",
        }  # fmt: skip
        for path, methods in app_of(client).openapi()["paths"].items():
            if path in ENDLESS or "get" not in methods:
                continue
            for _ in range(N_EXAMPLES):
                address = make_address(path, methods["get"], known, rng)
                assert_declared(await client.get(address), methods["get"], address)
