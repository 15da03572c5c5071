"""Catalogues, streams and telescopes that rules name: whether they exist, and who needs one."""

import asyncpg

from livetrap.database.connection import with_connection
from rules.expression import RuleError, find_matches, parse
from rules.rule_set import RuleSet, load_rules
from runtime.errors import FatalError, TransientError
from runtime.rule_names import list_rule_names
from runtime.settings import Settings
from runtime.sql import Queries

__all__ = ["check_names", "list_uses"]

_QUERIES = Queries("livetrap.operator")


def check_names(settings: Settings, rule_set: RuleSet) -> str:
    """Look the names in rules up; return why that is not possible, empty if it is.

    Raises
    ------
    SettingsError
        If a rule names a catalogue, stream or telescope that does not exist.
    """
    try:
        catalogues, streams, telescopes = with_connection(settings.postgres, list_rule_names)
    except (TransientError, FatalError) as error:
        return str(error)
    rule_set.check_names(catalogues=catalogues, streams=streams, telescopes=telescopes)
    return ""


async def list_uses(
    connection: asyncpg.Connection, settings: Settings, catalogue: str
) -> list[str]:
    """Return which rules and subscriptions name a catalogue.

    Parameters
    ----------
    connection : asyncpg connection
        Of the database of the subscriptions.
    settings : Settings
        Name the file of rules.
    catalogue : str
        Its name.

    Raises
    ------
    SettingsError
        If the rules cannot be read.
    """
    rules = [
        f"rule {rule.name!r}"
        for rule in load_rules(settings.alert.rules).rules
        if catalogue in {match.catalogue for match in find_matches(rule.when)}
    ]
    rows = await _QUERIES.fetch(connection, "list_subscription_rules")
    return rules + [
        f"subscription {row['name']!r}" for row in rows if catalogue in _named(row["rule"])
    ]


def _named(rule: str) -> set[str]:
    """Return the catalogues of a rule; none of one that is not valid, and so matches nothing."""
    try:
        return {match.catalogue for match in find_matches(parse(rule))}
    except RuleError:
        return set()
