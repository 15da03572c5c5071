"""Which events become alerts, and under whose name."""

from string import Formatter
from typing import Literal

from pydantic import ConfigDict, Field, HttpUrl, field_validator

from runtime.settings.section import OptionalPath, Section

__all__ = ["AlertSettings", "Authority"]


class Authority(Section):
    """The ivorn authority of this installation, which alert and distribute publish under."""

    # The rest of the section is for alert alone.
    model_config = ConfigDict(extra="ignore")

    authority: str = Field(
        "org.livetrap.local",
        max_length=100,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]{2,}$",
        description="ivorn authority",
    )


class AlertSettings(Authority):
    """Which events become alerts."""

    model_config = ConfigDict(extra="forbid")

    timeout_s: float = Field(
        60.0, gt=0, le=3600, description="Events that keep it busy longer end the process [s]"
    )
    mission: str = Field(
        "LiveTrap", min_length=1, max_length=60, description="Observatory or survey, in alerts"
    )
    author_title: str = Field(
        "LiveTrap", min_length=1, max_length=200, description="Title of the author of VOEvents"
    )
    contact_name: str | None = Field(
        None, max_length=200, description="Whom to ask about an alert; off: left out"
    )
    contact_email: str | None = Field(
        None, max_length=200, description="Address of the contact; off: left out"
    )
    instrument: str | None = Field(
        None, max_length=60, description="Instrument, in alerts; off: TELESCOP of the image"
    )
    event_name: str | None = Field(
        "LT {year}{letters} {position}",
        max_length=60,
        description="Name of a family of alerts: with {year}, five {letters} of its trig_id, "
        "{position}; off: it has none",
    )
    systematic_position_error_beams: float = Field(
        0.1,
        ge=0,
        le=10,
        description="Systematic error of positions in alerts, per axis [beam major axes]",
    )
    systematic_position_error_arcsec: float | None = Field(
        None,
        ge=0,
        description="The same as an angle [arcsec]; off: a part of the beam",
    )
    public_url: HttpUrl | None = Field(
        None, description="Public address of the api, for links in alerts; off: no links"
    )
    rules: OptionalPath = Field(
        None,
        description="File of rules: which events become alerts; off: the default rules",
    )
    max_per_image: int = Field(
        50,
        ge=1,
        description="First alerts of one image; of more, all are suppressed",
    )
    storm_release_s: float | None = Field(
        600.0,
        gt=0,
        description="Time after which the best events of the storms of a stream are sent if no "
        "operator has released any; those of side lobes never [s]; off: none "
        "by itself",
    )
    storm_release_count: int = Field(
        5, ge=1, le=1000, description="Events of a stream that are sent then"
    )
    max_per_minute: int = Field(
        300,
        ge=1,
        description="First alerts of a stream in a minute of its images; more are suppressed",
    )
    expires_s: float = Field(
        86400.0,
        gt=0,
        le=1e8,
        description="Age at which an alert expires, after its exposure; of a retraction after "
        "the alert itself [s]",
    )
    role: Literal["observation", "test"] = Field("observation", description="VOEvent role")

    @field_validator("event_name")
    @classmethod
    def _check_event_name(cls, template: str | None) -> str | None:
        """Refuse a template that cannot be filled."""
        known = {"year", "letters", "position"}
        try:
            names = {
                name for _, name, _, _ in Formatter().parse(template or "") if name is not None
            }
        except ValueError as error:
            raise ValueError(f"event_name: {error}") from error
        if names - known:
            raise ValueError("event_name: only {year}, {letters} and {position} can be filled in")
        return template
