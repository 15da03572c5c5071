"""The base of the sections."""

from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

__all__ = ["OFF", "OptionalPath", "Port", "Section", "is_optional"]

# Of an optional setting, whatever its default: neither a variable nor TOML has a null.
OFF = "off"


def _empty_is_none(value: object) -> object:
    """Return None for an empty variable: as a path it would be this folder."""
    return None if value == "" else value


Port = Annotated[int, Field(ge=0, le=65535)]
# Of the folder of the command or the configuration file, if it is relative: `settings.paths`.
OptionalPath = Annotated[Path | None, BeforeValidator(_empty_is_none)]


class Section(BaseModel):
    """A part of the settings; unknown names are refused, and ``off`` unsets what is optional."""

    # A process reads some sections; the validators of the others are never built.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _unset(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        optional = {name for name, field in cls.model_fields.items() if is_optional(field)}
        return {
            name: None if name in optional and value == OFF else value
            for name, value in values.items()
        }


def is_optional(field: FieldInfo) -> bool:
    """Return whether a setting may be without a value, by its type."""
    return type(None) in get_args(field.annotation)
