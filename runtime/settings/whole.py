"""All sections together: where their values come from, and what is wrong with them."""

import os
import tomllib
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from runtime.errors import SettingsError
from runtime.settings.alert import AlertSettings, VtpSettings
from runtime.settings.kafka import KafkaSettings
from runtime.settings.pipeline import AssociateSettings, ExtractSettings, IngestSettings
from runtime.settings.servers import (
    ApiSettings,
    LoggingSettings,
    MetricsSettings,
    PostgresSettings,
)

__all__ = ["ENV_PREFIX", "Settings", "load_settings"]

ENV_PREFIX = "LIVETRAP_"
# Variables under the prefix that are not fields: where to look, not what to do.
_LOCATION_VARIABLES = frozenset({"CONFIG", "DATA_DIR", "CACHE_DIR"})


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
    logging: LoggingSettings = Field(default_factory=LoggingSettings)

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
        # First wins here: the command line beats the environment, that beats the file.
        sources = [init_settings, env_settings, toml]
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
    """Read the effective settings: TOML file, then environment, then `overrides`; later wins.

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
