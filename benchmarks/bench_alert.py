"""How fast an event becomes an alert at each channel, and how many subscribers it reaches at once.

Starts a stack of its own in a temporary folder, puts source events on ``transients-v1`` and
listens as subscribers do: VTP, both Kafka topics, server-sent events. Then many VTP subscribers
at once, in a process of their own (``benchmarks/vtp_crowd.py``), and the same number at Comet's
broker in the same run. ``python -m benchmarks.bench_alert``; on a machine that does other work
``chrt -r 1 python -m benchmarks.bench_alert`` comes near to a quiet one.
"""

import argparse
import asyncio
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from confluent_kafka import Consumer, Producer

from benchmarks.alert_costs import CpuMeter, print_slowest
from benchmarks.vtp_crowd import build_answer, crowd, find_ivorn
from livetrap.stack.foreground import stop_requests
from livetrap.stack.ports import choose_port
from runtime.settings import AlertSettings
from schemas.codec import encode_source_event
from schemas.identity import event_id, trig_id
from schemas.messages import SourceEvent, StageTimes
from services.alert.models import Decision
from services.alert.steps.facts import name_alert
from services.alert.steps.voevent import build_voevent

LIVETRAP = [sys.executable, "-m", "livetrap"]
AUTHORITY = "org.livetrap.bench"
# Longer than the answers to one alert take [s].
FAN_OUT_PAUSE_S = 0.5
# Longer than a subscriber takes to connect, or to receive what has been sent [s].
CONNECT_S = 3.0


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200, help="of the paced run")
    parser.add_argument("--burst", type=int, default=1000, help="events at once")
    parser.add_argument("--bursts", type=int, default=3, help="one after the other")
    parser.add_argument("--subscribers", type=int, default=512, help="at once")
    parser.add_argument("--fan-out", type=int, default=40, help="alerts to all of them")
    parser.add_argument("--without-comet", action="store_true", help="measure LiveTrap alone")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="livetrap-bench-"))
    print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.2f} before the start\n")
    try:
        with stack(folder) as status:
            asyncio.run(measure(status, options))
        if not options.without_comet:
            with comet_broker(folder) as (submit_port, subscribe_port):
                asyncio.run(measure_comet(submit_port, subscribe_port, options))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\nload {os.getloadavg()[0]:.2f} at the end")


@contextmanager
def stack(folder: Path, *, are_addresses_limited: bool = False) -> Iterator[dict[str, Any]]:
    """Run a stack without limits on what one minute may bring, or one address unless asked for."""
    os.environ |= {
        "LIVETRAP_ALERT__AUTHORITY": AUTHORITY,
        "LIVETRAP_ALERT__MAX_PER_IMAGE": "1000000",
        "LIVETRAP_ALERT__MAX_PER_MINUTE": "1000000",
    }
    if not are_addresses_limited:
        os.environ |= {
            "LIVETRAP_VTP__MAX_SUBSCRIBERS": "5000",
            "LIVETRAP_VTP__MAX_PER_HOST": "5000",
            "LIVETRAP_VTP__MAX_CONNECTS_PER_MINUTE": "100000",
        }
    data_dir = ["--data-dir", str(folder / "data")]
    livetrap("up", "--detach", *data_dir)
    try:
        yield json.loads(livetrap("status", "--json", *data_dir))
    finally:
        livetrap("down", *data_dir)


def livetrap(*arguments: str) -> str:
    """Run one command; return what it printed."""
    done = subprocess.run([*LIVETRAP, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"livetrap {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def make_event(number: int) -> SourceEvent:
    """Return a new source that deserves an alert."""
    image = hashlib.sha256(str(number).encode()).hexdigest()
    family = trig_id("bench", image, number)
    now = datetime.now(UTC)
    return SourceEvent(
        event_id=event_id(family, "new_source", image), trig_id=family, kind="new_source",
        certainty="certain", stream="bench", transient_id=number, source_id=number,
        image_id=image, source_number=number, time_start=now, exposure_s=1.0, freq_eff_hz=140e6,
        freq_bw_hz=2e6, stokes="I", beam_major_deg=0.05, beam_minor_deg=0.04, beam_pa_deg=12.0,
        ra=number * 0.01 % 360, dec=45.6, ra_err_deg=0.001, dec_err_deg=0.002,
        flux_peak_jy_beam=0.5, flux_peak_err_jy_beam=0.02, flux_int_jy=0.55, flux_int_err_jy=0.03,
        snr=25.0, rms_local_jy_beam=0.02, quality_flags=0, extraction_type="blind", eta=None,
        v=0.0, n_datapoints=1, n_bands=1, telescope="BENCH",
        times=StageTimes(time_appended=now, time_associated=now),
    )  # fmt: skip


def make_record(number: int) -> tuple[str, bytes]:
    """Return the ivorn of the alert of an event, and the record of the event on Kafka."""
    event = make_event(number)
    return name_alert(event, AUTHORITY, 0).ivorn, encode_source_event(event)


def measure_rate(
    port: int,
    cpu: CpuMeter,
    *,
    send: Callable[[], dict[str, float]],
    wait: Callable[[dict[str, float]], None],
) -> float:
    """Return how many alerts a second a subscriber has; it is a process of its own.

    Threads of the process that sends would share its interpreter.
    """
    with crowd(port, 1) as collect:
        time.sleep(CONNECT_S)
        cpu.start()
        sent = send()
        wait(sent)
        cpu.stop()
        time.sleep(CONNECT_S)
        _, heard = collect()
    return len(sent) / (max(heard[name][0] for name in sent) - min(sent.values()))


class Clock:
    """When each alert was first heard on each channel [monotonic s]."""

    def __init__(self) -> None:
        self.heard: dict[str, dict[str, float]] = {}

    def note(self, channel: str, name: str) -> None:
        """Note an arrival."""
        self.heard.setdefault(channel, {}).setdefault(name, time.monotonic())

    def wait(self, channel: str, names: set[str], timeout_s: float = 120) -> None:
        """Block until a channel has heard all of them."""
        deadline_s = time.monotonic() + timeout_s
        while not names <= self.heard.get(channel, {}).keys():
            if time.monotonic() > deadline_s:
                n_missing = len(names - self.heard.get(channel, {}).keys())
                raise SystemExit(f"{channel}: {n_missing} of {len(names)} alerts never came")
            time.sleep(0.01)

    def wait_for_all(self, channels: Iterable[str], names: set[str]) -> None:
        """Block until each of some channels has heard all of them."""
        for channel in channels:
            self.wait(channel, names, 300)


def listen(work: Callable[[], None]) -> None:
    """Run a listener in a thread that ends with the process."""
    threading.Thread(target=work, daemon=True).start()


def hear_kafka(clock: Clock, bootstrap: str, topic: str) -> None:
    """Note the alerts on a topic."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": f"bench-{topic}",
         "auto.offset.reset": "earliest", "log_level": 0}
    )  # fmt: skip
    consumer.subscribe([topic])
    while True:
        message = consumer.poll(1)
        if message is not None and not message.error():
            clock.note(topic, dict(message.headers() or [])["ivorn"].decode())


def hear_events(clock: Clock, api_url: str) -> None:
    """Note the server-sent events."""
    url = f"{api_url.rstrip('/')}/api/v1/alerts/stream"
    with httpx.stream("GET", url, timeout=None) as answer:  # noqa: S113  (it lasts)
        kind = ""
        for line in answer.iter_lines():
            if line.startswith("event:"):
                kind = line[6:].strip()
            elif line.startswith("data:") and kind == "alert":
                clock.note("server-sent events", json.loads(line[5:])["ivorn"])


async def hear_vtp(port: int, on_event: Callable[[str], None]) -> None:
    """Note the packets of one connection, and acknowledge them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with suppress(asyncio.IncompleteReadError, ConnectionError):  # until the server ends it
        while True:
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            document = await reader.readexactly(length)
            if (name := find_ivorn(document)) is not None:
                on_event(name)
            writer.write(build_answer(document, "ivo://bench/one"))


async def measure(status: dict[str, Any], options: argparse.Namespace) -> None:
    """Measure latency, throughput and fan-out of ours."""
    clock = Clock()
    topics = ("alerts-voevent-v1", "gcn.notices.livetrap.radio_transient")
    for topic in topics:
        listen(lambda topic=topic: hear_kafka(clock, status["kafka"], topic))
    listen(lambda: hear_events(clock, status["api_url"]))
    port = int(status["vtp_port"])
    listen(lambda: asyncio.run(hear_vtp(port, lambda name: clock.note("VTP", name))))
    producer = Producer({"bootstrap.servers": status["kafka"], "linger.ms": 0})
    channels = ("VTP", *topics, "server-sent events")
    times: dict[str, datetime] = {}

    def publish(start: int, stop: int, pause_s: float) -> dict[str, float]:
        sent = {}
        made = [make_record(number) for number in range(start, stop)]
        for ivorn, value in made:
            sent[ivorn], times[ivorn] = time.monotonic(), datetime.now(UTC)
            producer.produce("transients-v1", key=b"bench", value=value)
            producer.poll(0)
            time.sleep(pause_s)
        producer.flush()
        return sent

    def run() -> None:
        time.sleep(5)  # consumers have their partitions
        warm = publish(0, 20, 0.05)
        clock.wait_for_all(channels, set(warm))
        cpu = CpuMeter(status)
        cpu.wait_until_idle()
        sent = publish(20, 20 + options.events, 0.05)
        print(f"one event every 50 ms, {options.events} events; append to receipt [ms]")
        for channel in channels:
            clock.wait(channel, set(sent))
            seconds = [clock.heard[channel][name] - at for name, at in sent.items()]
            p50, p99 = 1000 * np.percentile(seconds, [50, 99])
            print(f"  {channel:<40} p50 {p50:7.1f}   p99 {p99:7.1f}")
            if channel == "VTP":
                waits_s = dict(zip(sent, seconds, strict=True))
                print_slowest(status["postgres_url"], waits_s, times.__getitem__)
        # The JVM of Kafka compiles in the first; a service that runs has it behind it.
        for first in range(20 + options.events, after_bursts, options.burst):
            cpu.wait_until_idle()
            rate = measure_rate(
                port,
                cpu,
                send=partial(publish, first, first + options.burst, 0.0),
                wait=lambda sent: clock.wait_for_all(channels, set(sent)),
            )
            print(
                f"\n{options.burst} events at once: {rate:.0f} alerts/s "
                f"(load {os.getloadavg()[0]:.1f})"
            )
            cpu.print_per_alert(options.burst)

    after_bursts = 20 + options.events + options.bursts * options.burst
    await asyncio.to_thread(run)

    async def broadcast(number: int) -> tuple[str, float]:
        first = after_bursts + number
        sent = await asyncio.to_thread(publish, first, first + 1, 0.0)
        return sent.popitem()

    await fan_out("LiveTrap", port, options, broadcast)


async def fan_out(
    name: str,
    port: int,
    options: argparse.Namespace,
    send: Callable[[int], Awaitable[tuple[str, float]]],
) -> None:
    """Send alerts to many subscribers; print how long all, the first and the last waited."""
    with crowd(port, options.subscribers) as collect:
        await asyncio.sleep(5)
        sent = []
        for number in range(options.fan_out):
            sent.append(await send(number))
            await asyncio.sleep(FAN_OUT_PAUSE_S)
        await asyncio.sleep(5)
        n_connected, heard = collect()
    waits_ms = [1000 * (np.array(heard.get(ivorn, [np.nan])) - at) for ivorn, at in sent]
    everyone = np.concatenate(waits_ms)
    print(
        f"\n{name}: {n_connected} VTP subscribers of {options.subscribers} asked, "
        f"{options.fan_out} alerts, one every {FAN_OUT_PAUSE_S:g} s; received "
        f"{np.isfinite(everyone).sum()} of {n_connected * options.fan_out} "
        f"(load {os.getloadavg()[0]:.1f}); append to receipt [ms]"
    )
    first, last = ([choose(each) for each in waits_ms] for choose in (np.min, np.max))
    for label, values in (("every receipt", everyone), ("first one", first), ("last one", last)):
        p50, p99, worst = np.nanpercentile(values, [50, 99, 100])
        print(f"  {label:<15} p50 {p50:7.1f}   p99 {p99:7.1f}   worst {worst:7.1f}")


@contextmanager
def comet_broker(folder: Path) -> Iterator[tuple[int, int]]:
    """Run Comet as a broker; give the ports of authors and of subscribers."""
    submit_port = choose_port(None, taken=set())
    subscribe_port = choose_port(None, taken={submit_port})
    database = folder / "comet"
    database.mkdir()
    command = [
        sys.executable, "-m", "twisted", "comet", "--local-ivo", "ivo://org.livetrap.bench/comet",
        "--eventdb", str(database), "--receive", "--receive-port", str(submit_port),
        "--broadcast", "--broadcast-port", str(subscribe_port), "--broadcast-test-interval", "0",
        "--author-whitelist", "127.0.0.0/8", "--subscriber-whitelist", "127.0.0.0/8",
    ]  # fmt: skip
    with (folder / "comet.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        time.sleep(5)
        if process.poll() is not None:
            raise SystemExit(f"Comet ended: {(folder / 'comet.log').read_text()[-1000:]}")
        yield submit_port, subscribe_port
    finally:
        process.terminate()
        process.wait(20)


async def measure_comet(
    submit_port: int, subscribe_port: int, options: argparse.Namespace
) -> None:
    """Measure fan-out of Comet's broker: a connection an event, as the protocol wants."""
    settings = AlertSettings(authority=AUTHORITY)
    decision = Decision("bench", 0.5, "observation")

    async def submit(number: int) -> tuple[str, float]:
        event = make_event(number)
        name = name_alert(event, AUTHORITY, 0)
        packet = build_voevent(event, name, settings, decision, datetime.now(UTC))
        started_s = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", submit_port)
        writer.write(struct.pack("!I", len(packet)) + packet)
        (length,) = struct.unpack("!I", await reader.readexactly(4))
        reply = await reader.readexactly(length)
        writer.close()
        if b'role="ack"' not in reply:
            raise SystemExit(f"Comet refused: {reply!r}")
        return name.ivorn, started_s

    await fan_out("Comet", subscribe_port, options, submit)


if __name__ == "__main__":
    with stop_requests():
        main()
