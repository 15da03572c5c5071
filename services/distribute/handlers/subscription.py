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
    """

    def __init__(
        self,
        name: str,
        wanted: Wanted,
        store: SubscriptionStore,
        budget: SubscriptionBudget | None = None,
    ) -> None:
        self._name = name
        self._wanted = wanted
        self._store = store
        self._budget = budget

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
        """Return the rows that are wanted of some rows of alerts; errors as of `select`."""
        events = await self._store.read_events(alert_ids, self._name)
        known = {row: each for row, each in events.items() if each.event is not None}
        positions = [(each.event.ra, each.event.dec) for each in known.values() if each.event]
        matches = await self._store.match_references(positions, self._wanted.matches)
        chosen, used_s = await self._compare(known, dict(zip(known, matches, strict=True)))
        if self._budget is not None:
            reason = self._budget.add(
                n_evaluated=len(events), used_s=used_s, n_wanted=len(chosen),
                now_s=time.monotonic(),
            )  # fmt: skip
            if reason is not None:
                raise CostlyError(reason)
        return chosen

    async def _compare(
        self, events: dict[int, AlertEvent], matches: dict[int, dict[str, bool]]
    ) -> tuple[set[int], float]:
        """Return the rows that are wanted, and the CPU time of finding them [s]."""
        chosen: set[int] = set()
        families: set[str] = set()
        used_s, started_s = 0.0, time.thread_time()
        for row, each in sorted(events.items()):
            if each.event is None:
                continue
            is_followed = each.is_followed or each.trig_id in families
            if is_followed or self._wanted.is_true(each.event, matches[row], each.time_alert):
                chosen.add(row)
                families.add(each.trig_id)
            if (turn_s := time.thread_time() - started_s) >= _TURN_S:
                used_s += turn_s
                await asyncio.sleep(0)
                started_s = time.thread_time()
        return chosen, used_s + time.thread_time() - started_s
