"""Monitored positions."""

from datetime import datetime

from pydantic import ConfigDict, Field

from api.models.base import Model

__all__ = ["Monitor", "NewMonitor"]


class NewMonitor(Model):
    """A position to measure in every image of a stream."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"stream": "lofar-ncp", "name": "SN 2026abc", "ra": 123.4, "dec": 10.5}]
        },
    )

    stream: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Stream of images; it need not exist yet",
    )
    name: str = Field("", max_length=100, description="Name of the target, free text")
    ra: float = Field(ge=-360, le=360, allow_inf_nan=False, description="ICRS [deg]")
    dec: float = Field(ge=-90, le=90, allow_inf_nan=False, description="ICRS [deg]")


class Monitor(Model):
    """A monitored position."""

    id: int
    stream: str
    name: str
    ra: float = Field(description="ICRS [deg]")
    dec: float = Field(description="ICRS [deg]")
    source_id: int | None = Field(
        description="Source of its light curve; null before the first measurement"
    )
    time_created: datetime
