"""Rules: those that sent alerts, and what others would have sent."""

from datetime import datetime

from pydantic import ConfigDict, Field

from api.models.base import Model

__all__ = ["RuleItem", "RuleTrial", "RuleTrialOrder", "TriedEvent"]


class RuleItem(Model):
    """A rule that sent alerts."""

    name: str = Field(description="As in the file of rules")
    n_alerts: int = Field(description="Alerts that it sent in these days [-]")
    time_last_alert: datetime = Field(description="When it sent the newest")


class RuleTrialOrder(Model):
    """Rules to be tried on the events of some days."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"rules": "[[rule]]\nname = 'bright'\nwhen = 'snr > 12'\n", "days": 7},
            ]
        },
    )

    rules: str = Field(
        max_length=60_000, description="A file of rules (TOML), as `livetrap rules show` prints it"
    )
    days: float = Field(1.0, gt=0, le=365, description="Up to now [d]")
    max_per_image: int = Field(
        50, ge=1, le=2**31 - 1, description="As LIVETRAP_ALERT__MAX_PER_IMAGE [-]"
    )
    max_per_minute: int = Field(
        300, ge=1, le=2**31 - 1, description="As LIVETRAP_ALERT__MAX_PER_MINUTE [-]"
    )


class TriedEvent(Model):
    """An event that the rules would have treated in another way."""

    event_id: str
    stream: str
    kind: str
    snr: float | None
    ra: float | None = Field(description="ICRS [deg]")
    dec: float | None = Field(description="ICRS [deg]")
    time_detected: datetime
    was_alerted: bool = Field(description="An alert was sent")
    outcome: str = Field(
        description="alert, follow_up, suppressed, no_rule, never_alerted (a retraction of what "
        "nothing announced), or bad_position"
    )
    rule: str | None = Field(description="Name of the first rule that is true of it")
    why: list[str] = Field(description="Why it is no alert, rule by rule")


class RuleTrial(Model):
    """What rules would have made of the events of some days."""

    days: float = Field(description="Time that was looked at [d]")
    n_events: int = Field(description="Events that were tried [-]")
    is_complete: bool = Field(description="False: there are more events than are tried")
    n_alerted: int = Field(description="Events of them that were sent as alerts then [-]")
    n_by_outcome: dict[str, int] = Field(description="Events by what they would become [-]")
    n_alerts_by_rule: dict[str, int] = Field(description="First alerts by rule [-]")
    differences: list[TriedEvent] = Field(
        description="Newest 50 events that were sent and would not be, or the other way round"
    )
    warnings: list[str] = Field(
        [], description="Parts of rules that are never or always true, and rules without events"
    )
