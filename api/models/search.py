"""What a search finds."""

from pydantic import Field

from api.models.base import Model

__all__ = ["Found", "Position", "SearchResult"]


class Position(Model):
    """A place on the sky."""

    ra: float = Field(description="ICRS [deg]")
    dec: float = Field(description="ICRS [deg]")


class Found(Model):
    """Something that the text may mean."""

    kind: str = Field(description="source, transient, alert, image, stream or monitor")
    id: str
    label: str = Field(description="One line for people")
    path: str = Field(description="Where the API has it")
    separation_arcsec: float | None = Field(
        description="From the position, if the text is one [arcsec]"
    )


class SearchResult(Model):
    """All that a text may mean."""

    position: Position | None = Field(description="The text as a position, if it is one")
    items: list[Found]
