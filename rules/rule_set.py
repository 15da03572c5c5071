"""A file of rules: which events become alerts, under what role and with what importance."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from rules.expression import Match, Node, RuleError, find_matches, find_texts, parse
from rules.predicate import is_true
from rules.quantities import Facts
from runtime.errors import SettingsError

__all__ = ["DEFAULT_RULES", "Rule", "RuleSet", "load_rules", "parse_rules"]

Role = Literal["observation", "test", "injection"]
DEFAULT_RULES = files("rules") / "default.toml"
_MAX_RULES = 100
_MAX_LISTED = 20
_KEYS = {"name", "when", "importance", "role"}
_TOLD_BY = {
    "reference catalogue": "`livetrap catalogues list`",
    "stream": "`livetrap streams list`",
    "telescope": "as images name it so far",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Events for which `when` is true become alerts.

    Parameters
    ----------
    importance : float
        0 to 1, for ``Why@importance`` of the VOEvent [-].
    role : str or None
        Role of the VOEvent, where an injection is a test; None: that of the settings.
    """

    name: str
    text: str
    when: Node
    importance: float
    role: Role | None


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in order: the first that is true of an event applies."""

    rules: tuple[Rule, ...]

    @property
    def matches(self) -> frozenset[Match]:
        """Matches with reference catalogues whose results must be among the facts."""
        return frozenset().union(*(find_matches(rule.when) for rule in self.rules))

    def check_names(
        self,
        *,
        catalogues: Collection[str],
        streams: Collection[str],
        telescopes: Collection[str],
    ) -> None:
        """Refuse names that the database does not have: a comparison with one never changes.

        Parameters
        ----------
        catalogues : collection of str
            Reference catalogues that are loaded.
        streams : collection of str
            Streams so far; while there is none, any may come.
        telescopes : collection of str
            Telescopes that headers of images have named so far; while there is none, any may come.

        Raises
        ------
        SettingsError
            If a rule names another one; the message says which and lists those that exist.
        """
        for rule in self.rules:
            named = {match.catalogue for match in find_matches(rule.when)}
            _refuse_unknown(rule, named, "reference catalogue", catalogues)
            for quantity, known in (("stream", streams), ("telescope", telescopes)):
                if known:
                    _refuse_unknown(rule, find_texts(rule.when, quantity), quantity, known)

    def find(self, facts: Facts) -> Rule | None:
        """Return the first rule that is true; None if no alert is due."""
        return next((rule for rule in self.rules if is_true(rule.when, facts)), None)


def _refuse_unknown(rule: Rule, named: Collection[str], kind: str, known: Collection[str]) -> None:
    for name in sorted(set(named) - set(known)):
        there = ", ".join(sorted(known)[:_MAX_LISTED]) or "none"
        raise SettingsError(
            f"rule {rule.name!r}: no {kind} {name!r}; there is {there} ({_TOLD_BY[kind]})"
        )


def load_rules(path: Path | None) -> RuleSet:
    """Return the rules of a file; None: the default rules.

    Raises
    ------
    SettingsError
        If the file cannot be read or a rule is not valid; the message says which and why.
    """
    if path is None:
        return parse_rules(DEFAULT_RULES.read_text(encoding="utf-8"), "the default rules")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the rules in {path}: {error}") from error
    return parse_rules(text, str(path))


def parse_rules(text: str, where: str) -> RuleSet:
    """Return the rules in a TOML text; `where` names it in an error.

    Raises
    ------
    SettingsError
        If a rule is not valid.
    """
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{where}: not TOML: {error}") from error
    tables = content.pop("rule", None)
    if content or not isinstance(tables, list) or not tables or len(tables) > _MAX_RULES:
        raise SettingsError(f"{where}: expected 1 to {_MAX_RULES} tables [[rule]], nothing else")
    rules = tuple(_to_rule(table, f"{where}, rule {n + 1}") for n, table in enumerate(tables))
    names = [rule.name for rule in rules]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SettingsError(f"{where}: two rules are called {min(twice)!r}")
    return RuleSet(rules)


def _to_rule(table: Mapping[str, Any], where: str) -> Rule:
    if not isinstance(table, dict) or not set(table) <= _KEYS:
        raise SettingsError(f"{where}: the keys of a rule are {', '.join(sorted(_KEYS))}")
    name, text = table.get("name"), table.get("when")
    if not isinstance(name, str) or not 0 < len(name) <= 100 or not name.isprintable():
        raise SettingsError(f"{where}: `name` must be a text of 1 to 100 characters")
    if not isinstance(text, str):
        raise SettingsError(f"{where} ({name}): `when` must be an expression in quotes")
    importance = table.get("importance", 0.5)
    if isinstance(importance, bool) or not isinstance(importance, int | float):
        raise SettingsError(f"{where} ({name}): `importance` must be a number")
    if not 0 <= importance <= 1:
        raise SettingsError(f"{where} ({name}): `importance` must be 0 to 1, not {importance}")
    role = table.get("role")
    if role not in (None, *get_args(Role)):
        raise SettingsError(
            f"{where} ({name}): `role` must be {' or '.join(get_args(Role))}, not {role!r}"
        )
    try:
        return Rule(name, text, parse(text), float(importance), role)
    except RuleError as error:
        raise SettingsError(f"{where} ({name}): {error}") from error
