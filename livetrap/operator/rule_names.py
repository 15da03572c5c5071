"""Whether the catalogues, streams and telescopes that rules name exist."""

import asyncpg

from livetrap.database.connection import with_connection
from rules.rule_set import RuleSet
from runtime.errors import FatalError, TransientError
from runtime.settings import Settings
from runtime.sql import Queries

__all__ = ["check_names"]

_QUERIES = Queries("livetrap.operator")


def check_names(settings: Settings, rule_set: RuleSet) -> str:
    """Look the names in rules up; return why that is not possible, empty if it is.

    Raises
    ------
    SettingsError
        If a rule names a catalogue, stream or telescope that does not exist.
    """

    async def fetch(connection: asyncpg.Connection) -> list[tuple[str, str]]:
        rows = await _QUERIES.fetch(connection, "list_names")
        return [(row["kind"], row["name"]) for row in rows]

    try:
        names = with_connection(settings.postgres, fetch)
    except (TransientError, FatalError) as error:
        return str(error)
    catalogues, streams, telescopes = (
        [name for kind, name in names if kind == wanted]
        for wanted in ("catalogue", "stream", "telescope")
    )
    rule_set.check_names(catalogues=catalogues, streams=streams, telescopes=telescopes)
    return ""
