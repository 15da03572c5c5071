"""Which channels the settings name."""

from contextlib import AsyncExitStack
from datetime import timedelta

from runtime.settings import AlertSettings
from runtime.threads import run_in_thread
from services.alert.handlers.broker import Broker
from services.alert.handlers.channel import DeliveryChannel
from services.alert.handlers.digest import Digest
from services.alert.handlers.webhook import Webhook
from services.alert.storage import DeliveryStore

__all__ = ["build_channels"]


def build_channels(
    settings: AlertSettings, store: DeliveryStore, stack: AsyncExitStack
) -> list[DeliveryChannel]:
    """Return a channel for each webhook and broker and for the digest; `stack` closes them."""
    longest = timedelta(hours=settings.delivery_hours)
    channels = []
    for each in settings.webhooks:
        webhook = Webhook(each)
        stack.push_async_callback(webhook.aclose)
        channels.append(
            DeliveryChannel(
                "webhook", each.name, webhook.deliver, store=store, longest=longest,
                n_most_failures=settings.delivery_failures,
            )
        )  # fmt: skip
    channels += [
        DeliveryChannel(
            "broker", each.name, Broker(each).deliver, store=store, longest=longest,
            n_most_failures=settings.delivery_failures,
        )
        for each in settings.brokers
    ]  # fmt: skip
    if settings.email is not None:
        channels.append(
            DeliveryChannel(
                "email", "digest", Digest(settings.email, run_in_thread).deliver,
                store=store, longest=longest, n_most_failures=settings.delivery_failures,
                pause_s=60 * settings.email.every_minutes,
            )
        )  # fmt: skip
    return channels
