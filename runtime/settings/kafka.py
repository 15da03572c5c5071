"""Address and login of the broker; combinations that cannot work are refused."""

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from runtime.settings.section import OptionalPath, Section

__all__ = ["KafkaSettings"]

_NAME = "LIVETRAP_KAFKA__"

SecurityProtocol = Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Value = TypeVar("Value", str | None, SecretStr | None, Path | None)


def _to_lower(value: object) -> object:
    """Accept the spelling of Kafka's own documentation, SASL_SSL."""
    return value.lower() if isinstance(value, str) else value


def _to_upper(value: object) -> object:
    """Accept the names in any case, and an empty variable as none."""
    return value.upper() or None if isinstance(value, str) else value


class KafkaSettings(Section):
    """The Kafka broker."""

    # Of defaults too: a protocol may need a setting that is unset.
    model_config = ConfigDict(validate_default=True)

    bootstrap_servers: str = Field("127.0.0.1:9092", description="Brokers as HOST:PORT,...")
    address_family: Literal["any", "v4", "v6"] = Field(
        "any", description="Addresses of brokers to connect to"
    )
    cluster_id: str | None = Field(
        None,
        description="Id of the cluster, any other is refused; off: none is; a stack sets that of "
        "its own broker",
    )
    topic_prefix: str = Field("", description="Put before every topic name")
    security_protocol: Annotated[SecurityProtocol, BeforeValidator(_to_lower)] = Field(
        "plaintext", description="Transport to the broker"
    )
    sasl_mechanism: Annotated[SaslMechanism | None, BeforeValidator(_to_upper)] = Field(
        None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; off: no login"
    )
    sasl_username: str | None = Field(None, description="SASL user; off: no login")
    sasl_password: SecretStr | None = Field(None, description="SASL password; off: no login")
    ssl_ca_location: OptionalPath = Field(
        None, description="PEM file of the broker's CA; off: those of the system"
    )
    ssl_certificate_location: OptionalPath = Field(
        None, description="PEM file of our certificate, if the broker wants one; off: none"
    )
    ssl_key_location: OptionalPath = Field(
        None, description="PEM file of its private key; off: none"
    )
    ssl_key_password: SecretStr | None = Field(
        None, description="Password of the key's file; off: it has none"
    )
    instance_id: str | None = Field(
        None,
        description="Name of this process in its consumer group, for a restart without rebalance; "
        "off: it has none",
    )
    session_timeout_s: float = Field(
        10.0,
        ge=6,
        le=300,
        description="Silence after which a process loses its partitions, alert always after 6; in "
        "pods longer than a restart takes [s]",
    )
    partitions: int = Field(
        8,
        ge=1,
        le=1024,
        description="Partitions of a topic we create; those of alerts and the heartbeat have one",
    )
    replication_factor: int = Field(1, ge=1, le=9, description="Copies of a topic we create")
    retention_hours: float = Field(
        24.0,
        gt=0,
        description="How long a topic we create keeps messages: images, records, events, alerts; "
        "heartbeats ten minutes [h]",
    )
    retention_bytes: int = Field(
        1 << 30, ge=1 << 20, description="Bytes that a topic we create keeps per partition [byte]"
    )
    dead_letter_hours: float = Field(
        168.0,
        gt=0,
        description="How long the topic of dead letters keeps them, if we create it [h]",
    )
    dead_letter_bytes: int = Field(
        1 << 30,
        ge=1 << 20,
        description="Bytes that the topic of dead letters keeps per partition [byte]",
    )

    @property
    def uses_ssl(self) -> bool:
        """Whether the transport is encrypted."""
        return self.security_protocol.endswith("ssl")

    @property
    def uses_sasl(self) -> bool:
        """Whether the broker wants a login."""
        return self.security_protocol.startswith("sasl")

    @field_validator("sasl_mechanism", "sasl_username", "sasl_password")
    @classmethod
    def _goes_with_sasl(cls, value: Value, info: ValidationInfo) -> Value:
        protocol = info.data.get(
            "security_protocol"
        )  # None: it is invalid itself, and reported first
        if protocol is not None and protocol.startswith("sasl") != bool(value):
            problem = "has no effect" if value else "is needed"
            raise _refusal(f"{problem} with {_NAME}SECURITY_PROTOCOL={protocol}")
        return value

    @field_validator(
        "ssl_ca_location", "ssl_certificate_location", "ssl_key_location", "ssl_key_password"
    )
    @classmethod
    def _goes_with_ssl(cls, value: Value, info: ValidationInfo) -> Value:
        protocol = info.data.get("security_protocol")
        if value and protocol is not None and not protocol.endswith("ssl"):
            raise _refusal(f"has no effect with {_NAME}SECURITY_PROTOCOL={protocol}")
        return value

    @field_validator("ssl_key_location")
    @classmethod
    def _goes_with_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if bool(value) != bool(info.data.get("ssl_certificate_location")):
            problem = "has no effect without" if value else "is needed with"
            raise _refusal(f"{problem} {_NAME}SSL_CERTIFICATE_LOCATION (both may be in one file)")
        return value

    @field_validator("ssl_key_password")
    @classmethod
    def _goes_with_key(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value and not info.data.get("ssl_key_location"):
            raise _refusal(f"has no effect without {_NAME}SSL_KEY_LOCATION")
        return value


def _refusal(reason: str) -> PydanticCustomError:
    # pydantic takes braces for a template; no reason has one.
    return PydanticCustomError("kafka_security", reason)
