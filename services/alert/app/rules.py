"""The rules of the operator, read again when their file changes."""

import os
from pathlib import Path

from rules.doubts import check_rules
from rules.rule_set import RuleSet, load_rules
from runtime.errors import SettingsError
from runtime.logging import get_logger
from services.alert.metrics import RULES_ARE_CURRENT
from services.alert.models import KnownNames

__all__ = ["RuleFile"]


class RuleFile:
    """The rules of a file as it is now; while it is invalid, the rules before it.

    Parameters
    ----------
    path : Path or None
        The file; None: the rules that come with LiveTrap.

    Raises
    ------
    SettingsError
        If it is invalid at the start. A rule that no event can make true is logged then: the
        others send their alerts.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._names: KnownNames | None = None
        self._version = self._read_version()
        self._rules = load_rules(path)
        _log_never_true(self._rules)
        RULES_ARE_CURRENT.set(1)

    @property
    def is_changed(self) -> bool:
        """Whether the file is another one than was read; costs one `stat`."""
        return self._read_version() != self._version

    def know(self, names: KnownNames) -> None:
        """Refuse rules with other names from now on."""
        self._names = names

    def check_catalogues(self) -> None:
        """Refuse the rules of the start if they name a catalogue that does not exist.

        Raises
        ------
        SettingsError
            If they do. A stream or telescope that does not exist may come with its first image.
        """
        if self._names is not None:
            self._rules.check_names(catalogues=self._names.catalogues, streams=(), telescopes=())

    def current(self) -> RuleSet:
        """Return the rules; costs one `stat` of the file."""
        version = self._read_version()
        if version != self._version:
            self._version = version
            try:
                self._rules = self._load()
            except SettingsError as error:
                RULES_ARE_CURRENT.set(0)
                get_logger().error(
                    "rules_rejected", error=str(error), action="the rules before still apply"
                )
            else:
                RULES_ARE_CURRENT.set(1)
                get_logger().info("rules_loaded", rules=[rule.name for rule in self._rules.rules])
        return self._rules

    def _load(self) -> RuleSet:
        rules = load_rules(self._path)
        check_rules(rules)
        if self._names is not None:
            rules.check_names(
                catalogues=self._names.catalogues,
                streams=self._names.streams,
                telescopes=self._names.telescopes,
            )
        return rules

    def _read_version(self) -> tuple[int, int, int] | None:
        if self._path is None:
            return None
        try:
            found = os.stat(self._path)  # noqa: PTH116  (once an event: no Path object for it)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _log_never_true(rules: RuleSet) -> None:
    try:
        check_rules(rules)
    except SettingsError as error:
        get_logger().error("rule_never_true", error=str(error))
