"""The effective settings: name, value, meaning with unit, origin."""

import os
from typing import TypedDict

from pydantic import BaseModel, HttpUrl, SecretStr

from runtime.settings import (
    ENV_PREFIX,
    Settings,
    WebhookSettings,
    load_settings,
    names_in_config_file,
)
from runtime.settings.section import OFF

__all__ = ["SettingLine", "describe_settings", "hide_password", "render_settings"]


class SettingLine(TypedDict):
    """One setting."""

    name: str
    value: str
    origin: str
    description: str


def describe_settings(*, of_stack: frozenset[str]) -> list[SettingLine]:
    """Return every setting, in the order of the settings model.

    Parameters
    ----------
    of_stack : frozenset of str
        Names of variables that were set to find the running stack.

    Returns
    -------
    list of SettingLine
        Secrets show as ``***``.

    Raises
    ------
    SettingsError
        If a setting is unknown or its value is out of bounds.
    """
    settings = load_settings()
    in_file = names_in_config_file()
    lines = []
    for section_name in Settings.model_fields:
        section: BaseModel = getattr(settings, section_name)
        for field_name, field in type(section).model_fields.items():
            name = f"{ENV_PREFIX}{section_name.upper()}__{field_name.upper()}"
            lines.append(
                SettingLine(
                    name=name,
                    value=_show(getattr(section, field_name)),
                    origin="running stack" if name in of_stack else _origin(name, in_file),
                    description=field.description or "",
                )
            )
    return lines


def render_settings(lines: list[SettingLine]) -> str:
    """Return aligned lines: name = value, description with its unit, origin."""
    width = max(len(line["name"]) for line in lines)
    return "\n".join(
        f"{line['name']:<{width}} = {line['value']}  # {line['description']} ({line['origin']})"
        for line in lines
    )


def hide_password(url: str) -> str:
    """Return a database address without its password."""
    scheme, separator, rest = url.rpartition("://")
    account, at, place = rest.rpartition("@")
    user, colon, _ = account.partition(":")
    return f"{scheme}{separator}{user}{':***' if colon else ''}{at}{place}"


def _show(value: object) -> str:
    """Return a value as text, without secrets."""
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        return hide_password(text) if "://" in text else "***"
    if isinstance(value, HttpUrl):
        return _show_url(value, hides_path=False)
    if isinstance(value, BaseModel):
        # The address of a webhook is its secret: who knows it may post there.
        hides_path = isinstance(value, WebhookSettings)
        inside = ", ".join(
            f"{name}={_show_url(each, hides_path=hides_path)}"
            if isinstance(each, HttpUrl)
            else f"{name}={_show(each)}"
            for name, each in value
        )
        return f"({inside})"
    if isinstance(value, tuple):
        return f"({', '.join(_show(each) for each in value)})"
    return OFF if value is None else str(value)


def _show_url(url: HttpUrl, *, hides_path: bool) -> str:
    """Return an address without login, and of a path that is a secret only that there is one."""
    login = "***@" if url.username or url.password else ""
    path = url.path or "/"
    if hides_path and path != "/":
        path = "/***"
    query = "?***" if url.query or url.fragment else ""
    return f"{url.scheme}://{login}{url.host}:{url.port}{path}{query}"


def _origin(name: str, in_file: frozenset[str]) -> str:
    """Return where a value came from; the environment wins over the file."""
    if any(f"{variable}__".startswith(f"{name}__") for variable in os.environ):
        return "environment"
    return "configuration file" if name in in_file else "default"
