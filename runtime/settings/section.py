"""The base of the sections."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Port", "Section"]

Port = Annotated[int, Field(ge=0, le=65535)]


class Section(BaseModel):
    """A part of the settings; unknown names are refused."""

    # A process reads some sections; the validators of the others are never built.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
