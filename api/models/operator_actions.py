"""What an operator takes back or tries again."""

from pydantic import ConfigDict, Field

from api.models.base import Model

__all__ = ["DeadLetterItem", "NewRetraction", "Redriven", "RetractionItem"]


class NewRetraction(Model):
    """Why a transient is taken back."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"reason": "sidelobe of the Sun, seen in all beams"}]},
    )

    reason: str = Field(
        min_length=1,
        max_length=500,
        pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$",
        description="One line for the subscribers",
    )


class RetractionItem(Model):
    """A transient that was taken back."""

    transient_id: int
    trig_id: str = Field(description="Identity that its alerts share")
    reason: str


class DeadLetterItem(Model):
    """A message that could not be processed."""

    position: str = Field(description="Partition and offset in the topic of dead letters")
    time: str = Field(description="When it was set aside [UTC]")
    service: str
    reason: str = Field(description="Code of the reason")
    error: str
    source: str = Field(description="Topic, partition and offset that it came from")
    size_bytes: int = Field(description="Of its value [byte]")


class Redriven(Model):
    """A message that was sent again."""

    position: str
    source: str = Field(description="Topic, partition and offset that it came from")
