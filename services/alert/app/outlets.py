"""Which outlets the settings name."""

from contextlib import AsyncExitStack
from datetime import timedelta

from runtime.settings import AlertSettings
from services.alert.app.threads import run_in_thread
from services.alert.handlers.broker import Broker
from services.alert.handlers.digest import Digest
from services.alert.handlers.outlet import Outlet
from services.alert.handlers.webhook import Webhook
from services.alert.storage import DeliveryStore

__all__ = ["build_outlets"]


def build_outlets(
    settings: AlertSettings, store: DeliveryStore, stack: AsyncExitStack
) -> list[Outlet]:
    """Return an outlet for each webhook and broker and for the digest; `stack` closes them."""
    longest = timedelta(hours=settings.outlet_hours)
    outlets = []
    for each in settings.webhooks:
        webhook = Webhook(each)
        stack.push_async_callback(webhook.aclose)
        outlets.append(
            Outlet(
                "webhook", each.name, webhook.deliver, store=store, longest=longest,
                n_most_failures=settings.outlet_failures,
            )
        )  # fmt: skip
    outlets += [
        Outlet(
            "broker", each.name, Broker(each).deliver, store=store, longest=longest,
            n_most_failures=settings.outlet_failures,
        )
        for each in settings.brokers
    ]  # fmt: skip
    if settings.email is not None:
        outlets.append(
            Outlet(
                "email", "digest", Digest(settings.email, run_in_thread).deliver,
                store=store, longest=longest, n_most_failures=settings.outlet_failures,
                pause_s=60 * settings.email.every_minutes,
            )
        )  # fmt: skip
    return outlets
