"""Read the settings of a process, and describe a mistake in them in one line."""

import os
from collections.abc import Iterator
from typing import TypeVar, get_args, overload

import pydantic_settings
from pydantic import AnyUrl, BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from runtime.errors import SettingsError
from runtime.settings.names import refuse_unknown_names
from runtime.settings.processes import Settings
from runtime.settings.section import OFF, is_optional
from runtime.settings.sources import ENV_PREFIX, SettingsOfSections, read_config_file

__all__ = ["load_settings"]

S = TypeVar("S", bound=SettingsOfSections)


@overload
def load_settings(**overrides: object) -> Settings: ...


@overload
def load_settings(kind: type[S], /, **overrides: object) -> S: ...


def load_settings(
    kind: type[SettingsOfSections] = Settings, /, **overrides: object
) -> SettingsOfSections:
    """Read settings: configuration file, then environment, then `overrides`; later wins.

    Parameters
    ----------
    kind : type
        Which sections: those of a process, by default all of them.
    **overrides : object
        Sections by name as mappings, from the command line.

    Returns
    -------
    SettingsOfSections
        Of the type `kind`, validated and frozen.

    Raises
    ------
    SettingsError
        If a name is unknown, in any section, or a value of these sections is out of bounds;
        the text names it.
    """
    refuse_unknown_names(os.environ, read_config_file())
    try:
        return kind(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(_describe(error)) from None
    except pydantic_settings.SettingsError as error:
        raise SettingsError(_describe_bad_json(error)) from None


def _describe(error: ValidationError) -> str:
    """Return one line about the first mistake, without a secret or what may be one."""
    first = error.errors()[0]
    name = ENV_PREFIX + "__".join(str(part).upper() for part in first["loc"])
    hidden = first["type"] == "extra_forbidden" or isinstance(first["input"], (dict, list))
    got = "" if hidden or _is_secret(first["loc"]) else f" (got {first['input']!r})"
    last = [*_fields_at(first["loc"])][-1:]
    is_word = first["type"].endswith("_parsing") and any(is_optional(field) for field in last)
    hint = f"; {OFF} unsets it" if is_word else ""
    return f"setting {name}: {first['msg']}{got}{hint}"


def _describe_bad_json(error: pydantic_settings.SettingsError) -> str:
    """Return one line about a variable that holds no JSON where a list or a table belongs."""
    text = getattr(error.__cause__, "doc", None)
    named = (
        name for name, value in os.environ.items() if name.startswith(ENV_PREFIX) and value == text
    )
    variable = next(named, ENV_PREFIX + "...")
    return f"setting {variable}: not JSON ({error.__cause__}); write a list as [...]"


def _is_secret(location: tuple[int | str, ...]) -> bool:
    """Return whether a place in the settings is a secret's, or an address, which may have one."""
    return any(
        issubclass(kind, (AnyUrl, SecretStr))
        for field in _fields_at(location)
        for kind in _kinds_of(field)
    )


def _fields_at(location: tuple[int | str, ...]) -> Iterator[FieldInfo]:
    """Give the fields on the way to a place in the settings."""
    section: type[BaseModel] | None = Settings
    for part in location:
        if isinstance(part, int) or section is None or part not in section.model_fields:
            continue
        field = section.model_fields[part]
        yield field
        models = (kind for kind in _kinds_of(field) if issubclass(kind, BaseModel))
        section = next(models, None)


def _kinds_of(field: FieldInfo) -> list[type]:
    inner = [field.annotation, *get_args(field.annotation)]
    return [kind for kind in inner if isinstance(kind, type)]
