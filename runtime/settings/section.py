"""What the sections of the settings share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Port", "Section"]

Port = Annotated[int, Field(ge=0, le=65535)]


class Section(BaseModel):
    """A part of the settings; a name that it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
