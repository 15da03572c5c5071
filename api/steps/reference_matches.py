"""Whether reference catalogues have a source at the position of an event."""

from collections.abc import Collection, Sequence

from api.storage.database import Database
from rules.expression import Match
from schemas.messages import SourceEvent

__all__ = ["fetch_matches"]


async def fetch_matches(
    database: Database, matches: Collection[Match], events: Sequence[SourceEvent]
) -> list[dict[str, bool]]:
    """Return of each event whether there is a source, by the key of the match.

    Parameters
    ----------
    database : Database
        Reference catalogues.
    matches : collection of Match
        As a rule names them.
    events : sequence of SourceEvent
        Their positions are compared.
    """
    found: list[dict[str, bool]] = [{} for _ in events]
    if not (matches and events):
        return found
    asked = sorted(matches, key=lambda match: match.key)
    for row in await database.fetch(
        "match_references",
        ra=[event.ra for event in events],
        dec=[event.dec for event in events],
        key=[match.key for match in asked],
        catalogue=[match.catalogue for match in asked],
        radius_arcsec=[match.radius_arcsec for match in asked],
    ):
        found[row["number"]][row["key"]] = row["is_there"]
    return found
