"""What an attack on the port of subscribers costs those who follow the alerts.

Starts a stack of its own with the default limits of an address, connects honest subscribers, and
sends events at a steady pace: in peace, while attackers are busy with a sink beside the service,
and while some addresses flood the port and others set filters that take minutes. What the second
phase costs is the CPU time of the attackers, which are on this machine: the rest is the attack.
``python -m benchmarks.bench_attack``.
"""

import argparse
import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from confluent_kafka import Producer

from benchmarks.alert_costs import CpuMeter
from benchmarks.attack_sink import attack_sink
from benchmarks.bench_alert import (
    AUTHORITY,
    Clock,
    hear_events,
    hear_kafka,
    hear_vtp,
    listen,
    make_event,
    stack,
)
from benchmarks.process_samples import ProcessSampler
from benchmarks.vtp_attackers import ATTACKS, attackers
from benchmarks.vtp_crowd import crowd
from livetrap.stack.foreground import stop_requests
from schemas.codec import encode_source_event
from services.alert.steps.facts import name_alert
from tests.support.stack_processes import StackProcesses

KAFKA = "alerts-voevent-v1"
# The default allows 64 connections of one address.
PER_ADDRESS = 60
SUBSCRIBER_PORT_LIMIT = "2000"
# Attackers are connected and have been refused once.
SETTLE_S = 10.0
LEAST_CORES = 0.005


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=60, help="in peace, and under attack")
    parser.add_argument("--pause", type=float, default=0.5, help="between two alerts [s]")
    parser.add_argument("--subscribers", type=int, default=512, help="honest ones, over VTP")
    parser.add_argument("--floods", type=int, default=10, help="addresses that flood")
    parser.add_argument("--bombs", type=int, default=4, help="addresses that set filters")
    parser.add_argument(
        "--phases", default="peace,sink,attack", help="some of these, in any order and number"
    )
    parser.add_argument(
        "--attacker-cores", default="", help="processors of the attackers, as in 2,3; default all"
    )
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="livetrap-bench-"))
    os.environ["LIVETRAP_VTP__MAX_SUBSCRIBERS"] = SUBSCRIBER_PORT_LIMIT
    print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.2f} before the start\n")
    try:
        with stack(folder, are_addresses_limited=True) as status:
            measure(status, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(status: dict[str, Any], options: argparse.Namespace) -> None:
    """Measure in peace and under attack; print both."""
    clock, port = Clock(), int(status["vtp_port"])
    listen(lambda: hear_kafka(clock, status["kafka"], KAFKA))
    listen(lambda: hear_events(clock, status["api_url"]))
    listen(lambda: asyncio.run(hear_vtp(port, lambda name: clock.note("VTP", name))))
    producer = Producer({"bootstrap.servers": status["kafka"], "linger.ms": 0})
    time.sleep(5)  # consumers have their partitions
    send(producer, clock, range(20), pause_s=0.05)
    CpuMeter(status).wait_until_idle()
    numbers = iter(range(20, 1_000_000))

    def batch() -> dict[str, float]:
        some = [next(numbers) for _ in range(options.alerts)]
        return send(producer, clock, some, pause_s=options.pause)

    print("append to receipt [ms], memory of all processes of a service at its largest [MB]\n")
    print_header()
    for phase in options.phases.split(","):
        if phase == "peace":
            run_phase("in peace", status, options, clock, batch)
        elif phase == "sink":
            with attack_sink() as sink_port, attack(sink_port, options) as attacker:
                run_phase("beside attackers", status, options, clock, batch, attacker=attacker)
        else:
            with attack(port, options) as attacker:
                run_phase("under attack", status, options, clock, batch, attacker=attacker)
    print(f"\nattack: {options.floods} + {options.bombs} addresses, {ATTACKS}")


@contextmanager
def attack(port: int, options: argparse.Namespace) -> Iterator[psutil.Process]:
    """Attack a port; give the process of the attackers once they are connected."""
    cores = [int(each) for each in options.attacker_cores.split(",") if each]
    with attackers(port, n_floods=options.floods, n_bombs=options.bombs, cores=cores) as attacker:
        time.sleep(SETTLE_S)
        yield psutil.Process(attacker)


def run_phase(
    name: str,
    status: dict[str, Any],
    options: argparse.Namespace,
    clock: Clock,
    batch: Callable[[], dict[str, float]],
    *,
    attacker: psutil.Process | None = None,
) -> None:
    """Send alerts to everybody, and print a line for each channel."""
    meter, started_s = CpuMeter(status), time.monotonic()
    attacked_s = 0.0 if attacker is None else sum(attacker.cpu_times()[:2])
    with ExitStack() as running:
        peaks = running.enter_context(memory_peaks(status))
        collect = running.enter_context(
            crowd(int(status["vtp_port"]), options.subscribers, per_address=PER_ADDRESS)
        )
        time.sleep(5)
        sent = batch()
        time.sleep(2)
        n_connected, heard = collect()
        load = os.getloadavg()[0]
        meter.stop()
        lasted_s = time.monotonic() - started_s
        cores = {name: used_s / lasted_s for name, used_s in meter.used_s().items()}
        if attacker is not None:
            cores["attackers"] = (sum(attacker.cpu_times()[:2]) - attacked_s) / lasted_s
    crowd_s = [at - sent[ivorn] for ivorn in sent for at in heard.get(ivorn, [])]
    print_row(name, f"{n_connected} VTP subscribers", crowd_s, n_connected * len(sent))
    for channel in ("VTP", KAFKA, "server-sent events"):
        waits_s = [clock.heard[channel][ivorn] - at for ivorn, at in sent.items()]
        print_row(name, channel, waits_s, len(sent))
    memory = ", ".join(f"{each} {mb:.0f}" for each, mb in sorted(peaks.items()))
    busy = ", ".join(
        f"{each} {share:.2f}"
        for each, share in sorted(cores.items(), key=lambda item: -item[1])
        if share >= LEAST_CORES
    )
    print(f"  load {load:.1f}; memory: {memory}; cores: {busy}", flush=True)


def send(producer: Producer, clock: Clock, numbers: Any, *, pause_s: float) -> dict[str, float]:
    """Send events in a rhythm; return when each was appended, once every channel has them."""
    sent = {}
    for number in numbers:
        event = make_event(number)
        sent[name_alert(event, AUTHORITY, 0).ivorn] = time.monotonic()
        producer.produce("transients-v1", key=b"bench", value=encode_source_event(event))
        producer.flush()
        time.sleep(pause_s)
    for channel in ("VTP", KAFKA, "server-sent events"):
        clock.wait(channel, set(sent))
    return sent


@contextmanager
def memory_peaks(status: dict[str, Any]) -> Iterator[dict[str, float]]:
    """Give the largest resident memory of each service [MB], filled at the end."""
    sampler = ProcessSampler(StackProcesses(status["services"]["api"]["pid"]), interval_s=1.0)
    sampler.start()
    peaks: dict[str, float] = {}
    try:
        yield peaks
    finally:
        sampler.stop()
        for name in ("alert", "distribute", "api"):
            peaks[name] = max(each.rss_mb for each in sampler.samples[name])


def print_header() -> None:
    """Print the names of the columns."""
    print(f"{'':<18}{'channel':<24}{'received':>15}{'p50':>9}{'p99':>9}{'worst':>9}")


def print_row(phase: str, channel: str, waits_s: list[float], n_expected: int) -> None:
    """Print the quantiles of a channel."""
    p50, p99, worst = 1000 * np.percentile(waits_s, [50, 99, 100])
    received = f"{len(waits_s)}/{n_expected}"
    print(f"{phase:<18}{channel:<24}{received:>15}{p50:>9.1f}{p99:>9.1f}{worst:>9.1f}", flush=True)


if __name__ == "__main__":
    with stop_requests():
        main()
