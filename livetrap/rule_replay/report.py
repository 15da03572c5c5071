"""The report of a dry run in text: counts by outcome, with examples."""

from collections import Counter
from collections.abc import Iterator

from livetrap.rule_replay.dry_run import ReplayedEvent
from livetrap.terminal.printable import to_printable

__all__ = ["render_report"]


def render_report(replayed: list[ReplayedEvent], *, n_examples: int) -> str:
    """Return counts by outcome, alerts first, each with its last examples.

    Parameters
    ----------
    replayed : list of ReplayedEvent
        Oldest first.
    n_examples : int
        Largest number of examples of an outcome.
    """
    if not replayed:
        return "no events in that time"
    events = [each for each in replayed if each.kind != "storm"]
    lines = [f"{len(events)} events, {sum(each.is_alerted for each in events)} of them alerts"]
    counts = Counter((each.is_alerted, each.outcome) for each in replayed)
    by_number = sorted(counts.items(), key=lambda item: (-item[0][0], -item[1]))
    for (is_alerted, outcome), n in by_number:
        lines.append(f"\n{'alert' if is_alerted else 'no alert'}  {outcome}: {n}")
        same = [each for each in replayed if each.outcome == outcome]
        for each in same[-n_examples:] if n_examples else []:
            lines.extend(_to_lines(each))
    return "\n".join(lines)


def _to_lines(each: ReplayedEvent) -> Iterator[str]:
    yield to_printable(
        f"  {each.stream}  {each.kind}  S/N {each.snr:.1f}  "
        f"{each.ra:.4f} {each.dec:+.4f}  {each.event_id}"
    )
    for reason in each.why:
        yield f"      {reason}"
