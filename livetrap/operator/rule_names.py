"""Whether the catalogues, streams and telescopes that rules name exist."""

from livetrap.database.connection import with_connection
from rules.rule_set import RuleSet
from runtime.errors import FatalError, TransientError
from runtime.rule_names import list_rule_names
from runtime.settings import Settings

__all__ = ["check_names"]


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
