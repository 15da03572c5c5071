"""The page of REST paths, from the OpenAPI description of the api."""

from typing import Any

from api.app import create_app, create_context
from reference.tables import code, table
from runtime.settings import ApiProcessSettings, load_settings

__all__ = ["rest_page"]


def rest_page() -> str:
    """Return the page: every path with its parameters.

    Returns
    -------
    str
        Markdown.
    """
    app = create_app(create_context(load_settings(ApiProcessSettings)))
    paths: dict[str, Any] = app.openapi()["paths"]
    parts: list[str] = []
    for path, methods in paths.items():
        for method, operation in methods.items():
            parts += _operation(f"{method.upper()} {path}", operation)
    return "\n".join(parts)


def _operation(title: str, operation: dict[str, Any]) -> list[str]:
    parts = [f"## {code(title)}\n", operation.get("description", operation["summary"]) + "\n"]
    rows = [
        [
            code(parameter["name"]) + (" (required)" if parameter.get("required") else ""),
            parameter["in"],
            parameter.get("description") or parameter.get("schema", {}).get("description", ""),
        ]
        for parameter in operation.get("parameters", [])
    ]
    return [*parts, table(["parameter", "in", "meaning [unit]"], rows)] if rows else parts
