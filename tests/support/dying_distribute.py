"""The distribute service, killed by itself at a step of `STEPS`, the argument of the program."""

import sys
from collections.abc import Callable

from runtime.kafka import TopicTail
from services.distribute.app.service import main
from services.distribute.handlers.vtp import VtpServer
from services.distribute.handlers.webhook import Webhook
from services.distribute.storage import DeliveryStore
from tests.support.dying import die_after, die_before, die_before_nth

__all__ = ["STEPS"]

STEPS: dict[str, Callable[[], None]] = {
    "before the topic is read": lambda: die_before(TopicTail, "read"),
    "before the port is open": lambda: die_before(VtpServer, "start"),
    "when the port is open": lambda: die_after(VtpServer, "start"),
    "before what was missed is read": lambda: die_before(DeliveryStore, "list_unacknowledged"),
    "when what was missed is read": lambda: die_after(DeliveryStore, "list_unacknowledged"),
    "before an alert is broadcast": lambda: die_before(VtpServer, "broadcast"),
    "when some are broadcast": lambda: die_before_nth(VtpServer, "broadcast", 4),
    "before acknowledgements are written": lambda: die_before(DeliveryStore, "record"),
    "when acknowledgements are written": lambda: die_after(DeliveryStore, "record"),
    "when more acknowledgements come": lambda: die_before_nth(DeliveryStore, "record", 2),
    "before a webhook is called": lambda: die_before(Webhook, "deliver"),
    "when a webhook has answered": lambda: die_after(Webhook, "deliver"),
    "when its answer is recorded": lambda: die_after(DeliveryStore, "advance"),
}

if __name__ == "__main__":
    STEPS[sys.argv[1]]()
    main()
