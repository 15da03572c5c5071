"""The base of the sections."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = ["OptionalPath", "Port", "Section"]


def _empty_is_none(value: object) -> object:
    """Return None for an empty variable: as a path it would be this folder."""
    return None if value == "" else value


Port = Annotated[int, Field(ge=0, le=65535)]
# Of the folder of the command or the configuration file, if it is relative: `settings.paths`.
OptionalPath = Annotated[Path | None, BeforeValidator(_empty_is_none)]


class Section(BaseModel):
    """A part of the settings; unknown names are refused."""

    # A process reads some sections; the validators of the others are never built.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
