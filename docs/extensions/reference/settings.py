"""The settings page, from the JSON Schema of the settings models."""

from typing import Any

from reference.tables import code, table
from runtime.settings import ENV_PREFIX, Settings
from runtime.settings.section import OFF

__all__ = ["settings_page"]

_BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
}
_FORMATS = {"uri": "URL", "path": "path", "password": "secret"}


def settings_page() -> str:
    """Return the page: a table of each section, and of the tables inside sections.

    Returns
    -------
    str
        Markdown.
    """
    schema = Settings.model_json_schema()
    definitions: dict[str, Any] = schema["$defs"]
    parts: list[str] = []
    for section, field in schema["properties"].items():
        model = definitions[_referred(field)]
        prefix = code(f"{ENV_PREFIX}{section.upper()}__")
        parts += [f"## {section}\n", f"{model['description']}\nVariables begin with {prefix}.\n"]
        parts.append(_section(model))
        for name, inner in model["properties"].items():
            if referred := _referred(inner):
                repeated = inner.get("type") == "array"
                parts.append(_inner(section, name, definitions[referred], repeated=repeated))
    return "\n".join(parts)


def _inner(section: str, name: str, model: dict[str, Any], *, repeated: bool) -> str:
    bracket = f"[[{section}.{name}]]" if repeated else f"[{section}.{name}]"
    return f"### `{bracket}`\n\n{model['description']}\n\n{_section(model)}"


def _section(model: dict[str, Any]) -> str:
    required = model.get("required", [])
    rows = [
        [
            code(name),
            "required" if name in required else _default(field),
            _kind(field),
            field.get("description", ""),
        ]
        for name, field in model["properties"].items()
    ]
    return table(["name", "default", "values", "meaning [unit]"], rows)


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    if default is None or default == []:
        return code(OFF) if default is None else "empty"
    if isinstance(default, list):
        return ", ".join(code(item) for item in default)
    return code(str(default).lower() if isinstance(default, bool) else default)


def _kind(field: dict[str, Any]) -> str:
    return ", or ".join(_kind_of_option(option) for option in _options(field))


def _options(field: dict[str, Any]) -> list[dict[str, Any]]:
    options: list[dict[str, Any]] = field.get("anyOf", [field])
    return options


def _kind_of_option(option: dict[str, Any]) -> str:
    if option.get("type") == "null":
        return code(OFF)
    if "enum" in option:
        return ", ".join(code(value) for value in option["enum"])
    if "const" in option:
        return code(option["const"])
    if option.get("type") == "array":
        items = "table" if "$ref" in option["items"] else _kind(option["items"])
        return f"list of: {items}"
    if "$ref" in option:
        return "table"
    word = _FORMATS.get(option.get("format", ""), option.get("type", ""))
    bounds = [
        text.format(option[key])
        for key, text in _BOUNDS.items()
        if key in option and word != "URL"
    ]
    pattern = [f"like {code(option['pattern'])}"] if "pattern" in option else []
    return " ".join([word, ", ".join(bounds + pattern)]).strip()


def _referred(field: dict[str, Any]) -> str:
    """Return the name of the model that a field holds, alone, in a list or as an option."""
    for option in [*_options(field), field.get("items", {})]:
        if "$ref" in option:
            return str(option["$ref"]).rsplit("/", 1)[-1]
    return ""
