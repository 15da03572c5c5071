"""Who gets the alerts, and how: VTP subscribers, webhooks, other brokers, e-mail."""

from ipaddress import ip_network
from typing import Literal, Self

from pydantic import Field, HttpUrl, IPvAnyNetwork, SecretStr, field_validator, model_validator

from runtime.settings.section import OptionalPath, Port, Section

__all__ = [
    "BrokerSettings",
    "DistributeSettings",
    "EmailSettings",
    "SubscriberSettings",
    "VtpSettings",
    "WebhookSettings",
]


class WebhookSettings(Section):
    """A server that receives every alert as a POST."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Name in the list of subscribers"
    )
    url: HttpUrl = Field(description="Its address")
    secret: SecretStr | None = Field(
        None, min_length=16, description="Signs the body (HMAC); off: it has no signature"
    )
    format: Literal["json", "voevent", "chat"] = Field(
        "json", description="Notice, VOEvent, or a message for Slack or Mattermost"
    )
    allow_private: bool = Field(default=False, description="It may have a private address")
    stamps: bool = Field(
        default=False,
        description="Notices carry the stamps that are there by then as pictures (stamps_png)",
    )

    @model_validator(mode="after")
    def _only_notices_have_stamps(self) -> Self:
        """Refuse pictures where the body has no place for them."""
        if self.stamps and self.format != "json":
            raise ValueError(f"stamps: a webhook of format {self.format} cannot carry them")
        return self


class BrokerSettings(Section):
    """A VOEvent broker, such as Comet, to which every alert is submitted."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Name in the list of subscribers"
    )
    host: str = Field(min_length=1, description="Its address")
    port: int = Field(8098, ge=1, le=65535, description="Its port for submissions")


class EmailSettings(Section):
    """A digest of alerts by e-mail."""

    host: str = Field(description="Mail server")
    port: Port = Field(587, description="Its port")
    sender: str = Field(min_length=3, description="From")
    recipients: tuple[str, ...] = Field(min_length=1, description="To")
    every_minutes: float = Field(60.0, gt=0, description="Least time between two digests [min]")
    starttls: bool = Field(
        default=True,
        description="Encrypt the connection; the certificate must be valid for the host",
    )
    ca_file: OptionalPath = Field(
        None,
        description="Certificates (PEM) of a private authority; off: those of the system",
    )  # fmt: skip
    username: str | None = Field(None, description="Login of the mail server; off: it wants none")
    password: SecretStr | None = Field(
        None, description="Password of that login; off: it has none"
    )


_Named = WebhookSettings | BrokerSettings


class DistributeSettings(Section):
    """Webhooks, other brokers and e-mail."""

    timeout_s: float = Field(
        60.0, gt=0, le=3600, description="An alert that keeps it busy longer ends the process [s]"
    )
    delivery_retention_days: float | None = Field(
        400.0,
        ge=1,
        description="Age at which deliveries are deleted, if they cannot be repeated by then [d]; "
        "off: never",
    )
    topic_hours: float = Field(
        24.0,
        ge=0,
        le=8760,
        description="How long the Kafka topic of a deleted subscription is kept for those who "
        "still read it [h]",
    )
    webhooks: tuple[WebhookSettings, ...] = Field(
        (), description="Servers that receive every alert"
    )
    brokers: tuple[BrokerSettings, ...] = Field(
        (), description="VOEvent brokers that receive every alert"
    )
    email: EmailSettings | None = Field(None, description="Digest by e-mail; off: none")
    delivery_hours: float = Field(
        24.0,
        gt=0,
        le=8760,
        description="Age limit of deliveries to webhooks, brokers, subscriptions and digests [h]",
    )
    delivery_failures: int = Field(
        20,
        ge=1,
        description="Refusals without a delivery between that disable a webhook, a broker, a "
        "subscription or the digest; failures between them do not count: one that is away stays "
        "enabled",
    )

    subscription_allow_private: bool = Field(
        default=False, description="Webhooks of subscriptions may have private addresses"
    )
    subscription_ms_per_alert: float = Field(
        5.0, gt=0, description="Mean CPU time that a subscription may cost for an alert [ms]"
    )
    subscription_alerts_per_hour: int = Field(
        1000,
        ge=1,
        description="Alerts of one hour that a subscription may want, each counted once when it "
        "was made; of replays to a mailbox, when they are sent [1/h]",
    )

    @field_validator("webhooks", "brokers")
    @classmethod
    def _names_differ(cls, named: tuple[_Named, ...]) -> tuple[_Named, ...]:
        """Refuse two receivers of one name: they would share one delivery position."""
        names = [each.name for each in named]
        if len(set(names)) < len(names):
            raise ValueError("two of them have the same name")
        return named


class SubscriberSettings(Section):
    """A VTP subscriber that proves its name."""

    name: str = Field(
        pattern=r"^[^\s@]{1,200}$", description="Its identifier, such as ivo://org.example/robot"
    )
    token: SecretStr = Field(
        min_length=16, description="What it sends with its name; agreed with the operator"
    )


class VtpSettings(Section):
    """The server of the VOEvent Transport Protocol."""

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: Port = Field(8099, description="Port for subscribers")
    iamalive_s: float = Field(
        60.0,
        gt=0,
        description="Heartbeat to subscribers; silence of three ends a connection [s]",
    )
    max_subscribers: int = Field(512, ge=1, description="Connections at once")
    max_per_host: int = Field(
        64,
        ge=1,
        description="Connections of one address at once; when crowded, a quarter of the rest",
    )
    max_connects_per_minute: int = Field(120, ge=1, description="Connects of one address [1/min]")
    handshake_s: float = Field(
        10.0,
        ge=1,
        le=3600,
        description="Silence after which a new connection loses its place to another one [s]",
    )
    allow: tuple[IPvAnyNetwork, ...] = Field(
        (), description="Networks that may subscribe, such as 192.0.2.0/24; empty: all"
    )
    queue_length: int = Field(
        1000,
        ge=1,
        description="Alerts waiting for a slow subscriber; with more its connection ends",
    )
    replay_hours: float = Field(
        24.0,
        ge=0,
        description="Age limit of missed alerts that are sent after a reconnect, the newest half "
        "of queue_length of them [h]; 0: none",
    )
    subscribers: tuple[SubscriberSettings, ...] = Field(
        (), description="Subscribers that prove their name with a token"
    )
    replay_needs_token: bool = Field(
        default=False,
        description="Send missed alerts only to those; others get the stream from now on",
    )
    submit_port: Port | None = Field(
        None, description="Port for submissions of authors, by custom 8098; off: none"
    )
    submit_allow: tuple[IPvAnyNetwork, ...] = Field(
        (ip_network("127.0.0.0/8"), ip_network("::1/128")),
        description="Networks of authors, such as 192.0.2.0/24; empty: none",
    )
    submit_per_minute: int = Field(600, ge=1, description="Submissions of one address [1/min]")
