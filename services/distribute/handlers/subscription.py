"""Which of the pending alerts a subscription wants."""

import asyncio
import time

from rules.wanted import Wanted, parse_wanted
from services.distribute.errors import CostlyError
from services.distribute.models import AlertEvent, PendingDelivery, Subscription
from services.distribute.steps.subscription_budget import SubscriptionBudget
from services.distribute.storage import SubscriptionStore

__all__ = ["SubscriptionFilter", "parse_subscription"]

# After so much CPU time others have the event loop, which also sends the alerts [s].
_TURN_S = 0.005


def parse_subscription(subscription: Subscription) -> Wanted:
    """Return what a subscription wants; a large coverage map takes a tenth of a second.

    Raises
    ------
    WantedError
        If its rule, map or schedule is not valid.
    """
    return parse_wanted(
        subscription.rule,
        cone=subscription.cone,
        moc=subscription.moc,
        schedule=subscription.schedule,
    )


class SubscriptionFilter:
    """Chooses the alerts of one subscription.

    Who received an alert receives all that follows it, whatever its rule says of that.
    An alert that is tried again costs nothing more: what the rule says of it is remembered.

    Parameters
    ----------
    name : str
        Of the subscription.
    wanted : Wanted
        As of `parse_subscription`.
    store : SubscriptionStore
        Events of the alerts.
    budget : SubscriptionBudget or None
        What it may cost; None: anything.
    is_replay : bool
        Alerts count to the hour in which they are chosen, not to that in which they were made.
    """

    def __init__(
        self,
        name: str,
        wanted: Wanted,
        store: SubscriptionStore,
        budget: SubscriptionBudget | None = None,
        *,
        is_replay: bool = False,
    ) -> None:
        self._name = name
        self._wanted = wanted
        self._store = store
        self._budget = budget
        self._is_replay = is_replay
        # What the rule says of the alerts of the last call; None: it was not asked.
        self._verdicts: dict[int, bool | None] = {}

    async def select(self, due: list[PendingDelivery]) -> list[PendingDelivery]:
        """Return the alerts that are wanted, in their order.

        Raises
        ------
        CostlyError
            If the subscription costs more than it may.
        TransientError
            If the database is away.
        """
        ids = await self.choose([each.id for each in due])
        return [each for each in due if each.id in ids]

    async def choose(self, alert_ids: list[int]) -> set[int]:
        """Return the rows that are wanted of some rows of alerts; errors as of `select`.

        Those that the call before had, too, are tried again: they count no second time.
        """
        events = await self._store.read_events(alert_ids, self._name)
        verdicts = {row: self._verdicts[row] for row in events if row in self._verdicts}
        new = events.keys() - verdicts.keys()
        matches = await self._match(events, verdicts)
        chosen, used_s = await self._compare(events, matches, verdicts)
        self._verdicts = verdicts
        self._charge(len(new), used_s, [events[row] for row in sorted(chosen & new)])
        return chosen

    async def _match(
        self, events: dict[int, AlertEvent], verdicts: dict[int, bool | None]
    ) -> dict[int, dict[str, bool]]:
        """Return what catalogues have at the places of events that the rule may be asked about."""
        positions = {
            row: (each.event.ra, each.event.dec)
            for row, each in events.items()
            if each.event is not None and not each.is_followed and verdicts.get(row) is None
        }
        found = await self._store.match_references(list(positions.values()), self._wanted.matches)
        return dict(zip(positions, found, strict=True))

    async def _compare(
        self,
        events: dict[int, AlertEvent],
        matches: dict[int, dict[str, bool]],
        verdicts: dict[int, bool | None],
    ) -> tuple[set[int], float]:
        """Return the rows that are wanted, and the CPU time of the rule [s]; add its verdicts."""
        chosen: set[int] = set()
        families: set[str] = set()
        used_s, turn_s = 0.0, time.thread_time()
        for row, each in sorted(events.items()):
            is_wanted = verdicts.setdefault(row, None)
            if each.event is None:
                continue
            if each.is_followed or each.trig_id in families:
                is_wanted = True
            elif is_wanted is None:
                asked_s = time.thread_time()
                is_wanted = self._wanted.is_true(each.event, matches[row], each.time_alert)
                used_s += time.thread_time() - asked_s
                verdicts[row] = is_wanted
            if is_wanted:
                chosen.add(row)
                families.add(each.trig_id)
            if time.thread_time() - turn_s >= _TURN_S:
                await asyncio.sleep(0)
                turn_s = time.thread_time()
        return chosen, used_s

    def _charge(self, n_evaluated: int, used_s: float, wanted: list[AlertEvent]) -> None:
        """Count what is new."""
        if self._budget is None:
            return
        now_s = time.time()
        times_s = [
            now_s if self._is_replay else min(each.time_alert.timestamp(), now_s)
            for each in wanted
        ]
        reason = self._budget.add(n_evaluated=n_evaluated, used_s=used_s, wanted_s=times_s)
        if reason is not None:
            raise CostlyError(reason)
