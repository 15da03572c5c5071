"""The description of the API: FastAPI's, with an example of every answer."""

import json
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

__all__ = ["install"]

# ``api/examples/<handler>.<suffix>``
_MEDIA_TYPES = {
    "json": "application/json",
    "schema.json": "application/schema+json",
    "csv": "text/csv",
    "vot": "application/x-votable+xml",
    "xml": "application/xml",
    "sse": "text/event-stream",
}


def install(app: FastAPI) -> None:
    """Let `app` describe itself with examples."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            _add_examples(schema["paths"])
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]  # as FastAPI's manual extends it


def _add_examples(paths: dict[str, Any]) -> None:
    examples = _load_examples()
    for operation in (each for methods in paths.values() for each in methods.values()):
        for status, answer in operation["responses"].items():
            if status.startswith("2"):
                for media_type, example in examples.get(operation["operationId"], {}).items():
                    answer["content"][media_type]["example"] = example


def _load_examples() -> dict[str, dict[str, Any]]:
    """Return the example of each media type, by the name of the handler."""
    examples: dict[str, dict[str, Any]] = {}
    for file in (files("api") / "examples").iterdir():
        handler, suffix = file.name.split(".", 1)
        text = file.read_text(encoding="utf-8")
        example = json.loads(text) if suffix.endswith("json") else text
        examples.setdefault(handler, {})[_MEDIA_TYPES[suffix]] = example
    return examples
