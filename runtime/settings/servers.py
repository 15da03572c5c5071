"""Settings of the database, the HTTP server, metrics and logs."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from runtime.settings.section import OptionalPath, Port, Section

__all__ = ["ApiSettings", "LoggingSettings", "MetricsSettings", "PostgresSettings"]


class PostgresSettings(Section):
    """The database."""

    url: SecretStr = Field(
        SecretStr("postgresql://livetrap@127.0.0.1:5432/livetrap"),
        description="postgresql://user:password@host:port/database",
    )
    read_url: SecretStr | None = Field(
        None,
        description="A replica, for the reads of the api; off: the database itself",
    )
    pool_size: int = Field(
        4,
        ge=1,
        le=100,
        description="Connections of one process, beside those for a lock, for a probe, and of "
        "expensive_pool_size",
    )


class ApiSettings(Section):
    """The HTTP server."""

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: Port = Field(8080, description="Port")
    write_token: SecretStr | None = Field(
        None,
        min_length=8,
        description="Bearer token that allows every write, until the next release; "
        "`livetrap tokens create` makes those that stay; off: no such token",
    )
    max_alert_streams: int = Field(1000, ge=1, description="Open /alerts/stream, of all clients")
    max_alert_streams_per_host: int = Field(
        64,
        ge=1,
        description="Open /alerts/stream of one address; when crowded, a quarter of the rest",
    )
    max_connections_per_host: int = Field(
        256, ge=1, description="Open connections of one address; those of proxies do not count"
    )
    requests_per_second: float | None = Field(
        100.0,
        ge=1,
        description="Requests of one address, and of one token, in the long run; ten seconds of "
        "them are saved up [1/s]; off: any number",
    )
    request_timeout_s: float = Field(
        15.0, gt=0, le=3600, description="Time in which a request must have arrived whole [s]"
    )
    proxies: tuple[str, ...] = Field(
        (),
        description="Addresses of reverse proxies: their header X-Forwarded-For names the client",
    )
    cors_origins: tuple[str, ...] = Field(
        ("*",), description="Origins whose pages may read the answers; * is any, none is []"
    )
    shared_answer_s: float = Field(
        0.1,
        ge=0,
        le=60,
        description="Age up to which a list is given again to the same question; 0 = never [s]",
    )
    expensive_pool_size: int = Field(
        2,
        ge=1,
        le=100,
        description="Connections for exports, lists by a statistic, TAP and what else takes long",
    )
    max_expensive_per_host: int = Field(
        2, ge=1, description="Questions of that pool that run at a time for one address"
    )
    max_replica_lag_s: float = Field(
        5.0,
        gt=0,
        le=86_400,
        description="A replica that is farther behind makes /readyz 503 [s]",
    )
    statistics_refresh_s: float = Field(
        5.0,
        gt=0,
        le=86_400,
        description="Age at which the indexed copy of source statistics is renewed [s]",
    )
    max_monitors: int = Field(1000, ge=1, description="Most monitored positions of a stream")
    max_subscriptions: int = Field(
        20, ge=1, description="Subscriptions of one token, with a filter of their own"
    )
    statistics_windows_s: tuple[Annotated[float, Field(gt=0, le=1e9)], ...] = Field(
        (600.0, 3600.0, 86400.0),
        max_length=10,
        description="Time windows of a source's statistics, each ending at its newest point [s]",
    )
    registry_authority: str = Field(
        "",
        max_length=200,
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._~-]{2,})?$",
        description="Registered authority of identifiers of the IVOA; /vo/record is for this one",
    )
    registry_publisher: str = Field(
        "", max_length=200, description="Organisation that publishes the service, for /vo/record"
    )
    registry_contact_name: str = Field(
        "", max_length=200, description="Who answers questions about it, for /vo/record"
    )
    registry_contact_email: str = Field(
        "", max_length=200, description="Address of these, for /vo/record"
    )
    supervisor: OptionalPath = Field(
        None,
        description="Socket of the stack's supervisord; `livetrap up` sets it; off: there is none",
    )


class MetricsSettings(Section):
    """The port of a worker for Prometheus and the probes of Kubernetes."""

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: Port = Field(0, description="Port of /metrics, /healthz, /readyz; 0 = off")
    stall_s: float = Field(
        120.0,
        gt=0,
        le=86_400,
        description="A loop that has not turned for longer makes /healthz 503: more than the "
        "slowest image takes [s]",
    )


class LoggingSettings(Section):
    """The log of a process."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest level that is written"
    )
