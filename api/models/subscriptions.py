"""Subscriptions: what somebody wants, and how it is delivered."""

import re
from datetime import datetime
from typing import Literal, Self

from pydantic import ConfigDict, Field, HttpUrl, SecretStr, model_validator

from api.models.base import Model

__all__ = [
    "DryRun",
    "DryRunOrder",
    "NewReplay",
    "NewSubscription",
    "Replay",
    "Subscription",
    "SubscriptionChange",
    "WantedAlerts",
]

Channel = Literal["webhook", "chat", "email", "digest", "kafka", "sse"]
_ADDRESSED = frozenset({"webhook", "chat", "email", "digest"})
# RFC 5321 and 5322, without comments, quotes and groups: what a header field takes as it is.
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9][A-Za-z0-9.-]{0,250}")


class SkyCone(Model):
    """A circle on the sky."""

    model_config = ConfigDict(extra="forbid")

    ra: float = Field(ge=-360, le=360, allow_inf_nan=False, description="ICRS [deg]")
    dec: float = Field(ge=-90, le=90, allow_inf_nan=False, description="ICRS [deg]")
    radius_deg: float = Field(gt=0, le=180, allow_inf_nan=False, description="Radius [deg]")


class WantedAlerts(Model):
    """Alerts of which every part is true; a part that is left out is true of all."""

    model_config = ConfigDict(extra="forbid")

    rule: str = Field(
        "", max_length=4000, description="Expression of the rule language; empty: all alerts"
    )
    cone: SkyCone | None = Field(None, description="Circle on the sky")
    moc: str = Field(
        # A body has 65 536 bytes, and holds the other parts beside it.
        "",
        max_length=50_000,
        description="Coverage map, IVOA MOC in ASCII, such as `3/0-5 4/30`",
    )
    schedule: str = Field(
        "",
        max_length=500,
        description="Hours of the week, UTC, such as `mon-fri 20:00-06:00; sat,sun 00:00-24:00`",
    )


class NewSubscription(WantedAlerts):
    """A subscription to be made."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "bright-north",
                    "rule": "kind == 'new_source' and snr > 12",
                    "cone": {"ra": 0.0, "dec": 90.0, "radius_deg": 30.0},
                    "channel": "webhook",
                    "target": "https://robot.example.org/alerts",
                }
            ]
        },
    )

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="Name; that of a Kafka topic is `alerts-<name>`",
    )
    channel: Channel = Field(
        description="webhook: JSON by POST; chat: incoming webhook of Slack or Mattermost; email: "
        "one an alert; digest: e-mail of many; kafka: topic of its own; sse: "
        "/alerts/stream?subscription=<name>, with the same token"
    )
    target: str = Field("", max_length=2000, description="Address of a webhook, or recipient")
    secret: SecretStr | None = Field(
        None, min_length=16, max_length=200, description="Signs the body of a webhook (HMAC)"
    )
    stamps: bool = Field(
        default=False,
        description="Notices to a webhook carry the stamps that are there by then as pictures "
        "(`stamps_png`)",
    )

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        if re.search(r"-v\d+$", self.name):
            raise ValueError("name: must not end in -v and a number, as topics of all alerts do")
        if (self.channel in _ADDRESSED) != bool(self.target):
            needs = "needs an address" if self.channel in _ADDRESSED else "has none: leave it out"
            raise ValueError(f"target: channel {self.channel} {needs}")
        if self.channel in ("webhook", "chat"):
            HttpUrl(self.target)
        elif self.channel in ("email", "digest"):
            _check_mail(self.target)
        if self.secret is not None and self.channel != "webhook":
            raise ValueError("secret: only what goes to a webhook is signed")
        if self.secret is not None and not _is_text(self.secret.get_secret_value()):
            raise ValueError("secret: not Unicode")  # the database would quote it
        if self.stamps and self.channel != "webhook":
            raise ValueError(f"stamps: channel {self.channel} cannot carry them in its notices")
        return self


def _is_text(text: str) -> bool:
    """Return whether UTF-8 can write a text, and PostgreSQL store it."""
    return "\x00" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def _check_mail(text: str) -> None:
    if not _MAIL.fullmatch(text):
        raise ValueError("target: not an e-mail address")


class Subscription(Model):
    """A subscription, and how its delivery goes."""

    name: str
    owner: str = Field(description="Name of the token that made it")
    rule: str
    cone: SkyCone | None
    moc: str
    schedule: str
    channel: Channel
    target: str
    is_signed: bool = Field(description="Whether what is sent to the webhook is signed")
    stamps: bool = Field(description="Whether notices to the webhook carry stamps as pictures")
    time_created: datetime
    n_delivered: int = Field(description="Alerts that were delivered [-]")
    n_failures: int = Field(
        description="Attempts without a delivery since the last one, refused ones among them [-]"
    )
    n_refusals: int = Field(
        description="Refusals among them [-]; too many disable it, whatever failed between them"
    )
    failure_reason: str | None = Field(description="Why the last attempt failed")
    disabled_reason: str | None = Field(
        description="Why it is disabled: it costs too much, or refused too often; null: it is not"
    )
    warnings: list[str] = Field([], description="Parts of its rule that are never or always true")


class SubscriptionChange(Model):
    """What may change while a subscription goes on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"stamps": True}]})

    stamps: bool = Field(description="Whether notices to the webhook carry stamps as pictures")


class DryRunOrder(WantedAlerts):
    """What to look for in the alerts of some days."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"rule": "snr > 12", "days": 7}]},
    )

    days: float = Field(7.0, gt=0, le=365, description="Up to now [d]")


class DryRun(Model):
    """What a subscription would have got."""

    days: float = Field(description="Time that was looked at [d]")
    n_alerts: int = Field(description="Alerts that were compared [-]")
    n_wanted: int = Field(description="Alerts that it would have got [-]")
    is_complete: bool = Field(description="False: there are more alerts than are compared")
    n_wanted_by_kind: dict[str, int] = Field(description="Alerts by kind [-]")
    newest: list[str] = Field(description="ivorns of the newest ten that are wanted")
    warnings: list[str] = Field([], description="Parts of the rule that are never or always true")


class NewReplay(Model):
    """Alerts of the past that are to be sent to one subscription again, as tests."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "subscription": "bright-north",
                    "since": "2026-03-01T18:00:00Z",
                    "until": "2026-03-02T06:00:00Z",
                    "speed": 60,
                }
            ]
        },
    )

    subscription: str = Field(description="Name of the subscription")
    since: datetime = Field(description="First time of an alert; without a zone UTC")
    until: datetime = Field(description="Alerts before this time")
    speed: float = Field(
        1.0, gt=0, le=1e6, allow_inf_nan=False, description="How much faster than they were [-]"
    )


class Replay(Model):
    """A replay and how far it is."""

    id: int
    subscription: str
    since: datetime
    until: datetime
    speed: float
    n_sent: int = Field(description="Alerts that were sent [-]")
    failure_reason: str | None = Field(description="Why it ended early; null: it did not")
    time_created: datetime
    time_done: datetime | None = Field(description="When it ended; null: it goes on")
