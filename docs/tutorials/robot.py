"""A robot that subscribes by Kafka, VTP and Server-Sent Events, and decides what to observe."""
# %% [markdown]
# # A robot that subscribes
#
# A robotic telescope wants alerts within a second, each once, and only those that deserve a slew.
# LiveTrap offers the same alerts in three ways; a robot needs one of them.
#
# | | choose it when | after a pause you get |
# |---|---|---|
# | Kafka | you want every alert, whatever happens to your process | everything since your last commit, while the topic keeps it |
# | VTP | you already run Comet or pygcn | what you missed in 24 hours, if you say who you are |
# | Server-Sent Events | you have a browser, `curl`, or only HTTP through a firewall | everything after your `Last-Event-ID` |
#
# The service of [the first tutorial](first_night.md) must be running.
#
# ## Find the addresses
#
# At your observatory these are settings; here the status of the local service has them.

# %%
import json
import subprocess

status = json.loads(
    subprocess.run(
        ["livetrap", "status", "--json"], check=True, capture_output=True, text=True
    ).stdout
)
kafka, vtp_port, api = status["kafka"], status["vtp_port"], status["api_url"]

# %% [markdown]
# ## Decide
#
# Every channel carries the same facts, so one function decides.
# It gets the JSON notice, whose fields are in the [JSON Schema](../contracts.md#names-and-fields).
# Four checks save telescope time: is it new, is it real, is it of tonight, is it significant?

# %%
handled: set[str] = set()  # in production: a file or a table, so that a restart remembers


def decide(notice: dict) -> str:
    """Return what to do about one alert."""
    if notice["ivorn"] in handled:
        return "handled already"
    handled.add(notice["ivorn"])
    if notice["alert_type"] == "retraction":
        return "stop observing"
    if notice["alert_tense"] != "current":
        return f"ignore: {notice['alert_tense']}"
    if notice["image_snr"] < 10:
        return "ignore: not significant"
    return f"slew to {notice['ra']:.4f} {notice['dec']:+.4f}"


# %% [markdown]
# A robot on VTP alone checks the packet instead: the attribute `role`, `Why/@expires`, and Param `AlertTense`.
#
# ## Subscribe by Kafka
#
# Topic `gcn.notices.livetrap.radio_transient` has JSON notices, `alerts-voevent-v1` the VOEvents.
# Commit an offset after you have acted, not before: then a crash repeats an alert, which `decide` recognises, and loses none.

# %%
from collections.abc import Iterator
from itertools import islice

from confluent_kafka import Consumer

TOPIC = "gcn.notices.livetrap.radio_transient"


def from_kafka() -> Iterator[dict]:
    """Yield notices from the oldest one that this group has not committed."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "my-robot",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([TOPIC])
    try:
        while True:
            message = consumer.poll(timeout=1.0)
            if message is not None and message.error() is None:
                yield json.loads(message.value())
                consumer.commit(message, asynchronous=False)
    finally:
        consumer.close()


for notice in islice(from_kafka(), 2):
    print(notice["alert_type"], notice["ivorn"], "->", decide(notice))

# %% [markdown]
# Those are the alerts of the first night: of old images, so nothing moves.
#
# ## Subscribe by Server-Sent Events
#
# `GET /api/v1/alerts/stream` keeps the connection open and sends each alert as `id`, `event` and `data` lines.
# The data is a summary; `GET /api/v1/alerts/{id}` has the whole notice.
# Every five seconds comes an event `heartbeat`, so that you know that the server lives; take events of the name `alert` alone.
# Keep the last `id` and send it as `Last-Event-ID` when you connect again: nothing is lost in between.
# The filters of `/transients` work here too, such as `?min_snr=10`.

# %%
import httpx


def from_stream(last_event_id: str) -> Iterator[tuple[str, dict]]:
    """Yield the id and the notice of each alert after `last_event_id`."""
    with httpx.stream(
        "GET",
        f"{api}/api/v1/alerts/stream",
        headers={"Last-Event-ID": last_event_id},
        timeout=httpx.Timeout(10, read=60),
    ) as answer:
        for line in answer.iter_lines():
            event_id = line.removeprefix("id: ")
            if event_id not in {line, last_event_id}:
                yield event_id, httpx.get(f"{api}/api/v1/alerts/{event_id}").json()


for event_id, notice in islice(from_stream("0"), 2):
    print(event_id, notice["ivorn"], "->", decide(notice))

# %% [markdown]
# The same two alerts by another way: `decide` knows them by their ivorns.
#
# ## Subscribe by VTP
#
# The VOEvent Transport Protocol is a TCP connection on which each message is its length in four bytes, then XML.
# Comet and pygcn speak it; the whole of it is short enough to show.
# A subscriber that answers `authenticate` with a name of its own gets what it missed when it comes back.

# %%
import socket
import struct
from xml.etree import ElementTree as ET

ME = "ivo://example.org/my-robot"
ANSWER = (
    '<trn:Transport xmlns:trn="http://www.telescope-networks.org/xml/Transport/v1.1"'
    ' version="1.0" role="{role}"><Origin>{origin}</Origin><Response>{me}</Response>'
    "</trn:Transport>"
)


def from_vtp(connection: socket.socket) -> Iterator[ET.Element]:
    """Yield VOEvents, and acknowledge each once the robot has handled it."""
    with connection.makefile("rwb") as messages:
        while header := messages.read(4):
            root = ET.fromstring(messages.read(*struct.unpack("!I", header)))
            role, origin = root.get("role", ""), root.findtext("Origin", "")
            if root.tag.endswith("VOEvent"):
                yield root
                role, origin = "ack", root.get("ivorn", "")
            answer = ANSWER.format(role=role, origin=origin, me=ME).encode()
            messages.write(struct.pack("!I", len(answer)) + answer)
            messages.flush()


connection = socket.create_connection(("127.0.0.1", vtp_port), timeout=60)
vtp = from_vtp(connection)

# %% [markdown]
# ## Test the whole way
#
# Ask the operator for a test alert whenever you change something.
# It goes the way of real alerts, and has the role and the tense `test`, so that no robot moves.

# %%
before = httpx.get(f"{api}/api/v1/alerts", params={"limit": 1}).json()["items"][0]["id"]
subprocess.run(["livetrap", "alerts", "test", "--dec", "52"], check=True, capture_output=True)

_, notice = next(from_stream(str(before)))
next(event for event in vtp if event.get("ivorn") == notice["ivorn"])
next(other for other in from_kafka() if other["ivorn"] == notice["ivorn"])

print(notice["alert_type"], notice["alert_tense"], "->", decide(notice))

# %% [markdown]
# One alert, three ways, one name.
# `livetrap alerts deliveries IVORN` shows the operator who was sent it, and when they acknowledged.
#
# ## Before you let it move a telescope
#
# - Remember `handled` across restarts.
# - Reconnect with a growing pause when the connection ends; each of the three goes on where you were.
# - Honour `retraction`: an alert that was wrong is usually retracted within a second.
# - If you follow narrow-band emission, read [why it may be retracted](../contracts.md#retractions).
