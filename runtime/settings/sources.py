"""Where values come from: the configuration file, then the environment, then the caller."""

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from runtime.errors import SettingsError
from runtime.settings.paths import with_whole_paths

__all__ = ["ENV_PREFIX", "SettingsOfSections", "read_config_file"]

ENV_PREFIX = "LIVETRAP_"


def config_path() -> Path | None:
    """Return the path of the configuration file, if one is named."""
    path = os.environ.get(ENV_PREFIX + "CONFIG")
    return Path(path) if path else None


def read_config_file() -> dict[str, Any]:
    """Return the sections of the configuration file; nothing if none is named.

    Raises
    ------
    SettingsError
        If it is missing or no TOML, or holds a value outside of any section.
    """
    path = config_path()
    if path is None:
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"no configuration file at {path}; correct --config or LIVETRAP_CONFIG"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"cannot read configuration file {path}: {error}") from error
    return content


class _Environment(EnvSettingsSource):
    """The environment; a relative path means the folder in which the command was given."""

    def __call__(self) -> dict[str, Any]:
        # The programs of a stack run in another folder, and are told that one.
        folder = Path(os.environ.get(ENV_PREFIX + "WORK_DIR", ""))
        return with_whole_paths(self.settings_cls, super().__call__(), folder)


class SettingsOfSections(BaseSettings):
    """Base of the settings of a process: each field is a section."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        defer_build=True,
    )

    @classmethod
    def settings_customise_sources(  # noqa: D102  (pydantic-settings' own hook)
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # The file serves every process; each takes its own sections.
        content = {
            name: section
            for name, section in read_config_file().items()
            if name in settings_cls.model_fields
        }
        if content:
            # As most programs read their files: the folder of a service is not always known.
            folder = (config_path() or Path()).parent
            content = with_whole_paths(settings_cls, content, folder)
        # The first source wins.
        environment = _Environment(settings_cls)
        return init_settings, environment, InitSettingsSource(settings_cls, content)
