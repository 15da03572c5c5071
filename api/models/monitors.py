"""Monitored positions."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field

from api.models.base import Model

__all__ = ["Monitor", "MonitoredStream", "MonitorsWritten", "NewMonitor"]

_MOST_MAS_YR = 100_000.0

MonitoredStream = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Stream of images; it need not exist yet",
    ),
]


class NewMonitor(Model):
    """A position to measure in every image of a stream."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"stream": "lofar-ncp", "name": "SN 2026abc", "ra": 123.4, "dec": 10.5}]
        },
    )

    stream: MonitoredStream
    name: str = Field("", max_length=100, description="Name of the target, free text")
    ra: float = Field(ge=-360, le=360, allow_inf_nan=False, description="At the epoch, ICRS [deg]")
    dec: float = Field(ge=-90, le=90, allow_inf_nan=False, description="At the epoch, ICRS [deg]")
    pm_ra_cosdec_mas_yr: float = Field(
        0.0,
        ge=-_MOST_MAS_YR,
        le=_MOST_MAS_YR,
        allow_inf_nan=False,
        description="Proper motion in right ascension, with cos(dec) [mas/yr]",
    )
    pm_dec_mas_yr: float = Field(
        0.0,
        ge=-_MOST_MAS_YR,
        le=_MOST_MAS_YR,
        allow_inf_nan=False,
        description="Proper motion in declination [mas/yr]",
    )
    epoch_yr: float = Field(
        2000.0,
        ge=1800,
        le=2200,
        allow_inf_nan=False,
        description="Epoch of the position, Julian year [yr]",
    )


class Monitor(Model):
    """A monitored position."""

    id: int
    stream: str
    name: str
    ra: float = Field(description="At the epoch, ICRS [deg]")
    dec: float = Field(description="At the epoch, ICRS [deg]")
    pm_ra_cosdec_mas_yr: float = Field(
        description="Proper motion in right ascension, with cos(dec) [mas/yr]"
    )
    pm_dec_mas_yr: float = Field(description="Proper motion in declination [mas/yr]")
    epoch_yr: float = Field(description="Epoch of the position, Julian year [yr]")
    source_id: int | None = Field(
        description="Source of its light curve; null before the first measurement"
    )
    time_created: datetime


class MonitorsWritten(Model):
    """What a list of positions has changed."""

    stream: str
    n_added: int = Field(description="New monitors [-]")
    n_changed: int = Field(description="Positions that had one, and got name and motion [-]")
