"""Every knob of LiveTrap, once: name, default, unit, bounds, and where its value came from."""

import os
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from runtime.errors import SettingsError
from runtime.kafka_settings import KafkaSettings

__all__ = [
    "ENV_PREFIX",
    "AlertSettings",
    "ApiSettings",
    "AssociateSettings",
    "BrokerSettings",
    "ExtractSettings",
    "IngestSettings",
    "KafkaSettings",
    "MetricsSettings",
    "PostgresSettings",
    "Settings",
    "VtpSettings",
    "load_settings",
]

ENV_PREFIX = "LIVETRAP_"
# Variables under the prefix that are not fields: where to look, not what to do.
_LOCATION_VARIABLES = frozenset({"CONFIG", "DATA_DIR", "CACHE_DIR"})

Port = Annotated[int, Field(ge=0, le=65535)]
Sigma = Annotated[float, Field(gt=0, le=100)]


def _off_is_none(value: object) -> object:
    """Give the word for None: neither a variable nor TOML has one."""
    return None if value == "off" else value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PostgresSettings(_Section):
    """Where the database is."""

    url: SecretStr = Field(
        SecretStr("postgresql://livetrap@127.0.0.1:5432/livetrap"),
        description="postgresql://user:password@host:port/database",
    )
    pool_size: int = Field(4, ge=1, le=100, description="Connections of one process")


class IngestSettings(_Section):
    """The edge."""

    max_image_bytes: int = Field(
        64 << 20, ge=2880, description="Largest image that is accepted [byte]"
    )
    stream: str | None = Field(None, description="Stream name; default: the TELESCOP card")
    inbox: Path | None = Field(
        None, description="Folder that the ingest service watches for FITS files"
    )


BrightSource = Literal["Cas A", "Cyg A", "Tau A", "Vir A", "Her A", "Sun", "Jupiter"]


class ExtractSettings(_Section):
    """Source finding."""

    detection_threshold_sigma: Sigma = Field(8.0, description="Peak of a source [local rms]")
    analysis_threshold_sigma: Sigma = Field(3.0, description="Edge of an island [local rms]")
    background_cell_px: int = Field(50, ge=8, le=4096, description="Background grid cell [px]")
    margin_px: int = Field(10, ge=0, le=4096, description="Ignored border of the image [px]")
    force_beam: bool = Field(default=True, description="Fit the beam's shape (point sources)")
    connectivity: Literal[4, 8] = Field(8, description="Neighbours that may share an island")
    contrast_sigma: float = Field(
        1.0, ge=0, description="Least depth between two peaks of an island [local rms]"
    )
    radius_px: float | None = Field(
        None, gt=0, description="Circle about the centre in which sources count [px]"
    )
    median_filter_cells: int = Field(
        1, ge=1, le=99, description="Window of the median filter of the grids [cells]"
    )
    fdr_alpha: float | None = Field(
        None, gt=0, lt=1, description="False discovery rate that replaces the threshold"
    )
    flux_calibration_error: float = Field(
        0.0, ge=0, description="Relative error of the flux scale, added to all flux errors"
    )
    clean_bias_jy_beam: float = Field(0.0, description="Added to peak fluxes [Jy/beam]")
    clean_bias_err_jy_beam: float = Field(0.0, ge=0, description="Its error [Jy/beam]")
    recent_images_mb: int = Field(
        256, ge=0, description="Pixels kept in memory for forced photometry [MB]"
    )
    count_negative: bool = Field(
        default=False, description="Count the peaks of the negated image: false by definition"
    )
    max_sources: int = Field(200_000, ge=1, description="More in an image: rejected")
    rms_min_jy_beam: float | None = Field(None, gt=0, description="Less noise: rejected [Jy/beam]")
    rms_max_jy_beam: float | None = Field(None, gt=0, description="More noise: rejected [Jy/beam]")
    rms_history_images: int = Field(
        0, ge=0, le=10_000, description="Images of a band whose noise is remembered; 0 is off"
    )
    rms_history_sigma: float = Field(
        5.0, gt=0, description="Farther from the remembered noise: rejected [sigma]"
    )
    max_blank_fraction: float = Field(
        1.0, ge=0, le=1, description="More blank pixels: rejected [of all]"
    )
    max_beam_axis_ratio: float | None = Field(
        None, ge=1, description="More elongated beam: rejected [major/minor]"
    )
    min_bright_separation_deg: float = Field(
        0.0, ge=0, description="A bright source nearer to the centre: rejected [deg]; 0 is off"
    )
    bright_sources: tuple[BrightSource, ...] = Field(
        ("Cas A", "Cyg A", "Tau A", "Vir A", "Her A", "Sun", "Jupiter"),
        description="Which ones",
    )


class AssociateSettings(_Section):
    """Association in time and frequency."""

    de_ruiter_radius: float = Field(5.68, gt=0, description="Match limit [sigma]")
    beamwidths_limit: float = Field(3.0, gt=0, description="Match limit [beam semi-major axes]")
    systematic_position_error_arcsec: float = Field(
        10.0, ge=0, description="Floor of a position error, per axis [arcsec]"
    )
    forced_photometry: bool = Field(
        default=True, description="Measure sources that an image does not show, and monitors"
    )
    expiration_timesteps: int = Field(10, ge=1, description="Null detections until given up")
    new_source_sigma_margin: float = Field(
        1.0, ge=0, description="Added to the detection threshold in the new-source test [sigma]"
    )
    window_timeout_s: float = Field(
        30.0, gt=0, description="Longest wait for a band of a timestep [s]"
    )
    first_timestep_wait_s: float = Field(
        5.0, gt=0, description="Wait for the bands of a stream that was never seen before [s]"
    )
    timestep_tolerance_s: float = Field(
        0.5, ge=0, description="Images this close in start time share a timestep [s]"
    )
    detection_retention_days: float | None = Field(
        None,
        gt=0,
        description="Measurements older than this before a stream's last timestep may go [d]; "
        "months go as a whole, unset keeps all",
    )
    update_cool_down_s: float = Field(
        0.0, ge=0, description="Least time between two events of a transient, of its images [s]"
    )
    update_snr_factor: float = Field(
        1.5, gt=1, description="Growth of S/N since the last event that makes an update"
    )
    update_position_sigma: float = Field(
        3.0, gt=0, description="Move from the position told last that makes an update [sigma]"
    )
    max_updates: int = Field(10, ge=0, description="Updates of one transient")
    contradiction_sigma: Annotated[float | None, BeforeValidator(_off_is_none)] = Field(
        5.0,
        gt=0,
        description="A new source is retracted if another band of its timestep has so much less "
        "than any power law leaves there [sigma]; off: never",
    )
    contradiction_max_spectral_index: float = Field(
        5.0, ge=0, le=100, description="Largest |alpha| of S ~ freq^alpha in that test"
    )
    variable_eta: float = Field(5.0, gt=0, description="Reduced chi-square of a variable source")
    variable_v: float = Field(0.1, gt=0, description="Coefficient of variation of a variable")
    variable_min_points: int = Field(8, ge=2, description="Points before a source is variable")


class WebhookSettings(_Section):
    """A server that gets every alert as a POST."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="For the book")
    url: HttpUrl = Field(description="Where to")
    secret: SecretStr | None = Field(None, min_length=16, description="Signs the body (HMAC)")
    format: Literal["json", "voevent"] = Field("json", description="Notice or VOEvent")
    allow_private: bool = Field(default=False, description="It may be on this network")


class BrokerSettings(_Section):
    """A VOEvent broker, as Comet, that gets every alert from us as its author."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="For the book")
    host: str = Field(min_length=1, description="Where it is")
    port: int = Field(8098, ge=1, le=65535, description="Its port for authors")


class EmailSettings(_Section):
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


class AlertSettings(_Section):
    """Which events become alerts, and under whose name."""

    authority: str = Field(
        "org.livetrap.local",
        max_length=100,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]{2,}$",
        description="ivorn authority",
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
    outlet_hours: float = Field(
        24.0, gt=0, le=8760, description="Webhooks, brokers and digests get nothing older [h]"
    )
    outlet_failures: int = Field(
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


class VtpSettings(_Section):
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


class ApiSettings(_Section):
    """The HTTP server."""

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: Port = Field(8080, description="Port")
    write_token: SecretStr | None = Field(
        None, min_length=8, description="Bearer token of those who may write; unset: nobody"
    )
    max_monitors: int = Field(1000, ge=1, description="Watched places of a stream")
    look_backs_s: tuple[Annotated[float, Field(gt=0, le=1e9)], ...] = Field(
        (600.0, 3600.0, 86400.0),
        max_length=10,
        description="Statistics of a source also over so long before its newest point [s]",
    )


class MetricsSettings(_Section):
    """Prometheus and logs of a worker."""

    port: Port = Field(0, description="Prometheus port of this process; 0 = off")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Logs")


class Settings(BaseSettings):
    """All sections; read by `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    postgres: PostgresSettings = Field(default_factory=PostgresSettings)
    ingest: IngestSettings = Field(default_factory=IngestSettings)
    extract: ExtractSettings = Field(default_factory=ExtractSettings)
    associate: AssociateSettings = Field(default_factory=AssociateSettings)
    alert: AlertSettings = Field(default_factory=AlertSettings)
    vtp: VtpSettings = Field(default_factory=VtpSettings)
    api: ApiSettings = Field(default_factory=ApiSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)

    @classmethod
    def settings_customise_sources(  # noqa: D102  (pydantic-settings' own hook)
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        config = os.environ.get(ENV_PREFIX + "CONFIG")
        toml = InitSettingsSource(settings_cls, _read_toml(Path(config))) if config else None
        # First wins here; the contract says environment, then file, then command line.
        sources = [init_settings, toml, env_settings]
        return tuple(source for source in sources if source is not None)


def _read_toml(path: Path) -> dict[str, object]:
    """Read the operator's configuration file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"no configuration file at {path} (LIVETRAP_CONFIG)") from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"cannot read configuration file {path}: {error}") from error


def _refuse_unknown_sections() -> None:
    """Refuse a variable whose section is misspelt; pydantic only sees the known ones."""
    for variable in os.environ:
        if not variable.startswith(ENV_PREFIX):
            continue
        section, _, field = variable.removeprefix(ENV_PREFIX).partition("__")
        known = section in _LOCATION_VARIABLES or (
            section.lower() in Settings.model_fields and field != ""
        )
        if not known:
            raise SettingsError(
                f"unknown setting {variable} in the environment; "
                "`livetrap settings` lists the names, unset or correct it"
            )


def load_settings(**overrides: object) -> Settings:
    """Read the effective settings: environment, then TOML file, then `overrides`; later wins.

    Parameters
    ----------
    **overrides : object
        Sections by name as mappings, from the command line.

    Returns
    -------
    Settings
        Validated and frozen.

    Raises
    ------
    SettingsError
        If a name is unknown or a value out of bounds; the text names it.
    """
    _refuse_unknown_sections()
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(_describe(error)) from None


def _describe(error: ValidationError) -> str:
    """Return one line about the first mistake; it never tells a secret, nor what may be one."""
    first = error.errors()[0]
    name = ENV_PREFIX + "__".join(str(part).upper() for part in first["loc"])
    hidden = first["type"] == "extra_forbidden" or isinstance(first["input"], (dict, list))
    got = "" if hidden or _is_secret(first["loc"]) else f" (got {first['input']!r})"
    return f"setting {name}: {first['msg']}{got}"


def _is_secret(location: tuple[int | str, ...]) -> bool:
    """Return whether a place in the settings is a secret's."""
    section: type[BaseModel] | None = Settings
    for part in location:
        if isinstance(part, int) or section is None or part not in section.model_fields:
            continue
        annotation = section.model_fields[part].annotation
        inner = [annotation, *get_args(annotation)]
        if SecretStr in inner:
            return True
        models = (kind for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel))
        section = next(models, None)
    return False
