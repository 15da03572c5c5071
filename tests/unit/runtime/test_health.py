"""The probes of a worker: alive while its loop turns, ready while it can do its work."""

import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence

import pytest

from livetrap.stack.ports import choose_port
from runtime.health import Health, Probe
from runtime.metrics import serve_metrics
from runtime.settings import MetricsSettings
from runtime.stop_flag import StopFlag


class Loop:
    idle_s = 0.0


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def serve(loop: Loop, probes: Sequence[Probe] = ()) -> tuple[Health, Callable[[str], int]]:
    health = Health(loop, stall_s=120.0, probes=probes)
    settings = MetricsSettings(port=choose_port(None, taken=set()))
    port = serve_metrics(settings, health)
    assert port == settings.port
    return health, lambda path: ask(settings.port, path)[0]


def test_a_loop_that_does_not_turn_is_not_alive() -> None:
    loop = Loop()
    _, status = serve(loop)
    assert status("/healthz") == 200
    loop.idle_s = 120.0
    assert status("/healthz") == 200
    loop.idle_s = 121.0
    assert status("/healthz") == 503
    assert status("/metrics") == status("/") == 200
    assert status("/else") == 404


def test_a_process_that_waits_is_alive_and_not_ready() -> None:
    health, status = serve(Loop())
    assert (status("/healthz"), status("/readyz")) == (200, 503)
    health.mark_started()
    assert (status("/healthz"), status("/readyz")) == (200, 200)


def test_the_first_dependency_that_is_away_is_named() -> None:
    asked: list[float] = []

    def away(timeout_s: float) -> str:
        asked.append(timeout_s)
        return "Kafka is away"

    health = Health(Loop(), stall_s=1.0, probes=[lambda _: None, away, lambda _: "not asked"])
    health.mark_started()
    assert health.find_outage() == health.find_outage() == "Kafka is away"
    assert len(asked) == 1  # the answer serves all who ask soon after


def test_no_port_is_no_server() -> None:
    assert serve_metrics(MetricsSettings(), Health(Loop(), stall_s=1.0)) is None


def test_a_loop_turns_when_it_asks_whether_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    now_s = 100.0
    monkeypatch.setattr("runtime.stop_flag.time.monotonic", lambda: now_s)
    flag = StopFlag()
    now_s = 130.0
    assert flag.idle_s == 30.0
    assert not flag.is_set()
    assert flag.idle_s == 0.0
