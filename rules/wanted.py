"""What a subscription wants: a rule, a cone, a coverage map, hours of the week."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from rules.expression import All, Match, Node, RuleError, Within, find_matches, find_texts, parse
from rules.predicate import is_true
from rules.quantities import facts_of
from rules.schedule import Schedule, ScheduleError, parse_schedule
from schemas.messages import SourceEvent
from sky.moc import Moc, MocError, parse_moc

__all__ = ["Wanted", "WantedError", "parse_wanted"]


class WantedError(ValueError):
    """A subscription is not valid; the message says which part, and how to correct it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Alerts of which all parts are true; a part that is None is true of every alert."""

    when: Node | None = None
    moc: Moc | None = None
    schedule: Schedule | None = None

    @property
    def matches(self) -> frozenset[Match]:
        """Matches with reference catalogues whose results it needs."""
        return frozenset() if self.when is None else find_matches(self.when)

    @property
    def streams(self) -> frozenset[str]:
        """Streams that its rule names."""
        return frozenset() if self.when is None else find_texts(self.when, "stream")

    @property
    def telescopes(self) -> frozenset[str]:
        """Telescopes that its rule names."""
        return frozenset() if self.when is None else find_texts(self.when, "telescope")

    def is_true(
        self, event: SourceEvent, matches: Mapping[str, bool], time_alert: datetime
    ) -> bool:
        """Return whether the alert of an event is wanted.

        Parameters
        ----------
        event : SourceEvent
            The event.
        matches : mapping
            Whether a catalogue has a source there, by the key of each of `matches`.
        time_alert : datetime
            When the alert was made.
        """
        if self.schedule is not None and not self.schedule.contains(time_alert):
            return False
        if self.moc is not None and not self.moc.contains(event.ra, event.dec):
            return False
        return self.when is None or is_true(self.when, {**facts_of(event), **matches})


def parse_wanted(
    rule: str,
    *,
    cone: tuple[float, float, float] | None = None,
    moc: str = "",
    schedule: str = "",
) -> Wanted:
    """Return what a subscription wants.

    Parameters
    ----------
    rule : str
        Expression; empty: all.
    cone : (float, float, float) or None
        Right ascension, declination and radius [deg].
    moc : str
        Coverage map in ASCII; empty: the whole sky.
    schedule : str
        Hours of the week; empty: all.

    Raises
    ------
    WantedError
        If a part is not valid.
    """
    parts: list[Node] = [] if cone is None else [Within(*cone)]
    try:
        if rule.strip():
            parts.append(parse(rule))
    except RuleError as error:
        raise WantedError(f"rule: {error}") from error
    try:
        return Wanted(
            when=All(tuple(parts)) if parts else None,
            moc=parse_moc(moc) if moc.strip() else None,
            schedule=parse_schedule(schedule) if schedule.strip() else None,
        )
    except MocError as error:
        raise WantedError(f"moc: {error}") from error
    except ScheduleError as error:
        raise WantedError(f"schedule: {error}") from error
