"""The delivery channels that the settings name."""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

from runtime.in_flight import InFlight
from runtime.settings import DistributeSettings
from runtime.threads import run_in_thread
from schemas.delivery_channels import DeliveryChannelName
from services.distribute.handlers.broker import Broker
from services.distribute.handlers.channel import DeliveryChannel
from services.distribute.handlers.digest import Digest
from services.distribute.handlers.stamp_pictures import StampPictures
from services.distribute.handlers.webhook import Webhook
from services.distribute.models import OutgoingAlert
from services.distribute.storage import DeliveryStore, StampStore

__all__ = ["EMAIL_PICTURES_S", "WEBHOOK_PICTURES_S", "build_channels"]

# With the 20 s of a mail server it is less than an alert may keep the process busy.
EMAIL_PICTURES_S = 20.0
# A robot waits for each alert.
WEBHOOK_PICTURES_S = 2.0

Deliver = Callable[[list[OutgoingAlert]], Coroutine[Any, Any, list[OutgoingAlert]]]


def build_channels(
    settings: DistributeSettings,
    store: DeliveryStore,
    stamps: StampStore,
    *,
    may_deliver: Callable[[], Awaitable[bool]],
    in_flight: InFlight,
    stack: AsyncExitStack,
) -> list[DeliveryChannel]:
    """Return a channel for each webhook and broker and for the digest.

    Parameters
    ----------
    settings : DistributeSettings
        Receivers and limits.
    store : DeliveryStore
        What was delivered.
    stamps : StampStore
        Stamps that are sent as pictures.
    may_deliver : callable
        Returns whether this process is the one that delivers.
    in_flight : InFlight
        Counts the alerts that it works at.
    stack : AsyncExitStack
        Closes the connections.
    """
    pictures = StampPictures(stamps.read, timeout_s=EMAIL_PICTURES_S)
    digest = None if settings.email is None else Digest(settings.email, run_in_thread, pictures)

    def build(
        kind: DeliveryChannelName, name: str, deliver: Deliver, pause_s: float = 0.0
    ) -> DeliveryChannel:
        return DeliveryChannel(
            kind, name, deliver, store=store, may_deliver=may_deliver, in_flight=in_flight,
            max_age=timedelta(hours=settings.delivery_hours),
            max_refusals=settings.delivery_failures, pause_s=pause_s,
            # Of the mail server itself no e-mail can tell.
            tell=None if digest is None or kind == DeliveryChannelName.EMAIL else digest.tell,
        )  # fmt: skip

    channels = []
    for each in settings.webhooks:
        drawn = StampPictures(stamps.read, timeout_s=WEBHOOK_PICTURES_S) if each.stamps else None
        webhook = Webhook(each, drawn)
        stack.push_async_callback(webhook.aclose)
        channels.append(build(DeliveryChannelName.WEBHOOK, each.name, webhook.deliver))
    channels += [
        build(DeliveryChannelName.BROKER, each.name, Broker(each).deliver)
        for each in settings.brokers
    ]
    if settings.email is not None and digest is not None:
        pause_s = 60 * settings.email.every_minutes
        channels.append(build(DeliveryChannelName.EMAIL, "digest", digest.deliver, pause_s))
    return channels
