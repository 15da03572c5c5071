"""Bodies that nobody means, to every path that writes: refused in words, and never an error."""

import itertools
import json
import os
from collections.abc import Iterator
from typing import Any

import httpx

from tests.support.api_service import app_of

# The proxy in front may log what an answer says.
MOST_BYTES = 20_000
# So many of each kind; all with WRITE_BODIES=all.
N_OF_A_KIND = None if os.environ.get("WRITE_BODIES") == "all" else 3
TEXTS = (
    "\x00", "a\x00b", "\ud800", "\udfff\ud800", "\ufffe", "\u202e\u2066", "\x1b[31m", "",
    "x" * 300_000, " ", "%00", "' or 1=1 --", "${jndi:ldap://x}", "{{7*7}}", "../../etc",
    "\r\nX: y", "1" * 5000, "(" * 3000, "e\u0301" * 3000,
)  # fmt: skip
NUMBERS = (
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "9" * 4000, "-" + "9" * 4000,
    "-0", "1e308", str(2**31), str(2**63), str(2**64), "0." + "0" * 5000 + "1",
)  # fmt: skip
OTHERS = ("null", "[]", "{}", "true", '""', "[[]]", "[null]", '{"a":{}}')
WHOLE = (
    b"", b" ", b"null", b"[]", b"[" * 100_000, b'{"a":' * 100_000, b"[" * 900 + b"]" * 900,
    b'{"name":"a","name":"b"}', b"\xff\xfe{\x00}\x00", b"\x1f\x8b\x08\x00", b"\xed\xa0\x80",
    b'{"\\ud800":1}', b'{"\\u0000":1}', b"{" + b'"k":1,' * 20_000 + b'"k":1}', b"-", b'"',
)  # fmt: skip


def written(client: httpx.AsyncClient) -> Iterator[tuple[str, str, Any]]:
    """Yield method, address and an example of the body of each path that takes JSON."""
    described = app_of(client).openapi()
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                address = path
                for parameter in operation.get("parameters", []):
                    if parameter["in"] == "path":
                        address = address.replace(f"{{{parameter['name']}}}", "1")
                yield method, address, example_of(content["application/json"]["schema"], described)


def example_of(schema: dict[str, Any], described: dict[str, Any]) -> Any:
    """Return a value that a schema describes, each of its fields among it."""
    if "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], described)
    made = {name: example_of(one, described) for name, one in schema.get("properties", {}).items()}
    if made:
        return made | (schema.get("examples") or [{}])[0]
    if schema.get("type") == "array":
        return [example_of(schema["items"], described)]
    return schema.get("enum", [{"number": 1.5, "integer": 1, "boolean": True}.get(
        schema.get("type", ""), "a")])[0]  # fmt: skip


def mutants(example: Any) -> Iterator[bytes]:
    """Yield the example with each of its values replaced, some values for each of them."""
    places = list(places_in(example))
    for kind in (tuple(map(json.dumps, TEXTS)), NUMBERS, OTHERS):
        values = itertools.cycle(kind)
        for place in places:
            for value in itertools.islice(values, N_OF_A_KIND or len(kind)):
                yield json.dumps(replaced(example, place)).replace('"@"', value, 1).encode()


def places_in(value: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the place of each value inside a value, as keys and numbers."""
    named = dict(enumerate(value)) if isinstance(value, list) else value
    for key, each in named.items() if isinstance(named, dict) else ():
        yield (key,)
        yield from ((key, *rest) for rest in places_in(each))


def replaced(value: Any, place: tuple[Any, ...]) -> Any:
    """Return a copy of a value with a mark at a place."""
    if not place:
        return "@"
    copy = value.copy()
    copy[place[0]] = replaced(value[place[0]], place[1:])
    return copy


async def test_no_body_is_an_error_of_the_service(client: httpx.AsyncClient) -> None:
    n_sent = 0
    for method, address, example in written(client):
        for body in (*WHOLE, *mutants(example)):
            answer = await client.request(
                method, address, content=body, headers={"Content-Type": "application/json"}
            )
            words = f"{method} {address} {body[:200]!r}: {answer.status_code} {answer.text[:300]}"
            assert answer.status_code < 500, words
            assert len(answer.content) < MOST_BYTES, words
            n_sent += 1
    assert n_sent > 500
