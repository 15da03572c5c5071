"""Refuse unknown names of settings; pydantic reads only the known ones."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from runtime.errors import SettingsError
from runtime.settings.kubernetes import is_service_variable
from runtime.settings.processes import Settings
from runtime.settings.sources import ENV_PREFIX, read_config_file

__all__ = ["LOCATION_VARIABLES", "names_in_config_file", "refuse_unknown_names"]

# Variables under the prefix that name a place and are no settings. WORK_DIR is what relative paths
# mean: a stack tells its programs the folder of `livetrap up`.
LOCATION_VARIABLES = frozenset(
    {"CONFIG", "DATA_DIR", "CACHE_DIR", "KERNEL_CACHE", "STATE_DIR", "WORK_DIR"}
)


def refuse_unknown_names(environment: Mapping[str, str], content: Mapping[str, Any]) -> None:
    """Check the names of all sections, whichever of them this process reads.

    Parameters
    ----------
    environment : mapping of str to str
        Variables of the process.
    content : mapping
        Sections of the configuration file.

    Raises
    ------
    SettingsError
        With the unknown name and the most similar known one.
    """
    known = _known_names()
    for variable, value in environment.items():
        if not variable.startswith(ENV_PREFIX):
            continue
        name = variable.removeprefix(ENV_PREFIX)
        section, _, rest = name.partition("__")
        field = rest.partition("__")[0]
        if f"{section}__{field}" not in known and not (
            name in LOCATION_VARIABLES or is_service_variable(name, value)
        ):
            raise _refusal(variable, f"{section}__{field}" if rest else name, "environment")
    for name in _names_in(content):
        if name not in known:
            raise _refusal(ENV_PREFIX + name, name, "configuration file")


def names_in_config_file() -> frozenset[str]:
    """Return what the configuration file sets, by the names of the variables.

    Raises
    ------
    SettingsError
        If the file cannot be read, or is no table of sections.
    """
    return frozenset(ENV_PREFIX + name for name in _names_in(read_config_file()))


def _names_in(content: Mapping[str, Any]) -> Iterator[str]:
    """Give the names of a file's settings as the environment spells them, without the prefix."""
    for section, fields in content.items():
        if not isinstance(fields, dict):
            raise SettingsError(
                f"{section} in the configuration file stands outside of a section; "
                "put it under one, as [extract], or remove it"
            )
        if section not in Settings.model_fields:
            raise SettingsError(
                f"unknown section [{section}] in the configuration file; "
                f"there are {', '.join(Settings.model_fields)}"
            )
        for field in fields:
            yield f"{section}__{field}".upper()


def _known_names() -> frozenset[str]:
    return frozenset(
        f"{section}__{field}".upper()
        for section, model in Settings.model_fields.items()
        for field in getattr(model.annotation, "model_fields", {})
    )


def _refusal(shown: str, name: str, where: str) -> SettingsError:
    similar = get_close_matches(name, _known_names(), n=1, cutoff=0.75)
    advice = f"did you mean {ENV_PREFIX}{similar[0]}? " if similar else ""
    return SettingsError(
        f"unknown setting {shown} in the {where}; {advice}`livetrap settings` lists the names"
    )
