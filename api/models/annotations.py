"""What people and programs say about a source."""

from datetime import datetime

from pydantic import ConfigDict, Field

from api.models.base import Model

__all__ = [
    "Annotations",
    "Classification",
    "Comment",
    "NewClassification",
    "NewComment",
    "NewTag",
    "Tag",
]

# One line that can be shown anywhere: no control characters.
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
_LINES = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"


class NewTag(Model):
    """A tag for a source."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"tag": "follow"}]})

    tag: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$",
        description="Lower case, digits, dash, underscore; at most 40",
    )


class Tag(Model):
    """A tag of a source."""

    id: int
    tag: str
    actor: str = Field(description="Name of the token that added it")
    time_created: datetime


class NewClassification(Model):
    """What a source is thought to be."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "classification": "flare star",
                    "probability": 0.9,
                    "origin": "anna",
                    "note": "M dwarf within 1 arcsec",
                }
            ]
        },
    )

    classification: str = Field(
        min_length=1,
        max_length=60,
        pattern=_PRINTABLE,
        description="Class, such as pulsar, flare star, satellite",
    )
    probability: float | None = Field(
        None, ge=0, le=1, allow_inf_nan=False, description="Of this class"
    )
    origin: str = Field(
        min_length=1,
        max_length=60,
        pattern=_PRINTABLE,
        description="Who or what classifies: a person, a classifier with its version",
    )
    note: str = Field("", max_length=1000, pattern=_LINES, description="Reason, free text")


class Classification(NewClassification):
    """What an origin says that a source is."""

    id: int
    actor: str = Field(description="Name of the token that wrote it")
    time_created: datetime


class NewComment(Model):
    """A remark about a source."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"body": "seen by MeerKAT, too"}]}
    )

    body: str = Field(min_length=1, max_length=4000, pattern=_LINES, description="Plain text")


class Comment(Model):
    """A remark about a source."""

    id: int
    body: str
    actor: str = Field(description="Name of the token that wrote it")
    time_created: datetime


class Annotations(Model):
    """What was said about a source."""

    tags: list[Tag]
    classifications: list[Classification] = Field(description="Newest first, one an origin")
    comments: list[Comment] = Field(description="Newest 500, oldest of them first")
