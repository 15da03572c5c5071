"""Which events become alerts, and who gets them."""

from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, HttpUrl, IPvAnyNetwork, SecretStr, field_validator

from runtime.settings.section import Port, Section

__all__ = ["AlertSettings", "BrokerSettings", "EmailSettings", "VtpSettings", "WebhookSettings"]


class WebhookSettings(Section):
    """A server that gets every alert as a POST."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="For the book")
    url: HttpUrl = Field(description="Where to")
    secret: SecretStr | None = Field(None, min_length=16, description="Signs the body (HMAC)")
    format: Literal["json", "voevent"] = Field("json", description="Notice or VOEvent")
    allow_private: bool = Field(default=False, description="It may be on this network")


class BrokerSettings(Section):
    """A VOEvent broker, as Comet, that gets every alert from us as its author."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="For the book")
    host: str = Field(min_length=1, description="Where it is")
    port: int = Field(8098, ge=1, le=65535, description="Its port for authors")


class EmailSettings(Section):
    """A digest of alerts by e-mail."""

    host: str = Field(description="Mail server")
    port: Port = Field(587, description="Its port")
    sender: str = Field(min_length=3, description="From")
    recipients: tuple[str, ...] = Field(min_length=1, description="To")
    every_minutes: float = Field(60.0, gt=0, description="Not more often [min]")
    starttls: bool = Field(default=True, description="Encrypt")
    username: str | None = Field(None, description="For the mail server")
    password: SecretStr | None = Field(None, description="For the mail server")


_Named = WebhookSettings | BrokerSettings


class AlertSettings(Section):
    """Which events become alerts, and under whose name."""

    authority: str = Field(
        "org.livetrap.local",
        max_length=100,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]{2,}$",
        description="ivorn authority",
    )
    public_url: HttpUrl | None = Field(
        None, description="Where others reach the api: alerts then have a link to themselves there"
    )
    rules: Path | None = Field(
        None, description="File of rules: which events become alerts; unset: those of LiveTrap"
    )
    max_per_image: int = Field(
        50, ge=1, description="First alerts of one image; more are held for an operator"
    )
    max_per_minute: int = Field(
        300, ge=1, description="First alerts of a stream in a minute of its images; more are held"
    )
    expires_s: float = Field(
        86400.0, gt=0, le=1e8, description="An alert is of no use so long after its exposure [s]"
    )
    role: Literal["observation", "test"] = Field("observation", description="VOEvent role")
    webhooks: tuple[WebhookSettings, ...] = Field((), description="Servers that get every alert")
    brokers: tuple[BrokerSettings, ...] = Field(
        (), description="VOEvent brokers that get every alert"
    )
    email: EmailSettings | None = Field(None, description="Digest by e-mail")
    delivery_hours: float = Field(
        24.0, gt=0, le=8760, description="Webhooks, brokers and digests get nothing older [h]"
    )
    delivery_failures: int = Field(
        20, ge=1, description="Failures in a row that disable a webhook, a broker or the digest"
    )

    @field_validator("webhooks", "brokers")
    @classmethod
    def _names_differ(cls, named: tuple[_Named, ...]) -> tuple[_Named, ...]:
        """Refuse one name for two: they would share a place in the queue."""
        names = [each.name for each in named]
        if len(set(names)) < len(names):
            raise ValueError("two have the same name")
        return named


class VtpSettings(Section):
    """The VOEvent Transport Protocol server."""

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: Port = Field(8099, description="Port for subscribers")
    iamalive_s: float = Field(60.0, gt=0, description="Heartbeat to subscribers [s]")
    max_subscribers: int = Field(512, ge=1, description="Connections at once")
    max_per_host: int = Field(64, ge=1, description="Connections of one address at once")
    max_connects_per_minute: int = Field(120, ge=1, description="Connects of one address [1/min]")
    allow: tuple[IPvAnyNetwork, ...] = Field(
        (), description="Networks that may subscribe, as 192.0.2.0/24; empty: everybody"
    )
    queue_length: int = Field(1000, ge=1, description="Alerts waiting for a slow subscriber")
    replay_hours: float = Field(
        24.0, ge=0, description="Who comes back gets what it missed, no older [h]; 0 is off"
    )
    submit_port: Port | None = Field(
        None, description="Port for authors elsewhere, by custom 8098; unset: none"
    )
    submit_allow: tuple[IPvAnyNetwork, ...] = Field(
        (ip_network("127.0.0.0/8"), ip_network("::1/128")),
        description="Networks of authors, as 192.0.2.0/24; empty: nobody",
    )
    submit_per_minute: int = Field(600, ge=1, description="Events of one author's address [1/min]")
