"""Files, Kafka messages and the command line."""

import csv
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from confluent_kafka import KafkaError
from typer.testing import CliRunner

from livetrap.simulator import stream
from livetrap.simulator.cli import simulate
from livetrap.simulator.config import SimulatorConfig
from livetrap.simulator.directory import simulate_to_directory
from runtime.errors import SettingsError, TransientError
from runtime.kafka import OutMessage

SMALL = SimulatorConfig(
    images=8,
    size=128,
    n_steady=3,
    n_variable=1,
    n_faint=1,
    bands_hz=(124e6, 149e6),
    cadence_s=0.01,
)


class FakeProducer:
    def poll(self, _timeout_s: float) -> int:
        return 0

    def flush(self, _timeout_s: float) -> int:
        return 0


def _fake_kafka(monkeypatch: pytest.MonkeyPatch, *, error: KafkaError | None) -> list[OutMessage]:
    sent: list[OutMessage] = []

    def send(
        _producer: object, message: OutMessage, on_done: Callable[[KafkaError | None], None]
    ) -> None:
        sent.append(message)
        on_done(error)

    monkeypatch.setattr(stream, "create_producer", lambda _settings: FakeProducer())
    monkeypatch.setattr(stream, "send", send)
    monkeypatch.setattr("livetrap.simulator.cli.fetch_cluster_id", lambda _settings: "a cluster")
    return sent


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_directory_holds_images_in_time_order_and_the_truth(tmp_path: Path):
    paths = simulate_to_directory(SMALL, tmp_path / "sky")
    assert paths == sorted((tmp_path / "sky").glob("*.fits"))
    assert [p.name for p in paths[:2]] == [
        "simulated_000000_124MHz.fits",
        "simulated_000000_149MHz.fits",
    ]
    rows = _read(tmp_path / "sky" / "truth.csv")
    assert [row["kind"] for row in rows][:5] == ["steady"] * 3 + ["variable", "faint"]
    assert all(float(row["flux_peak_jy_beam_149MHz"]) > 0 for row in rows)
    assert all(row["time_start_first"].endswith("Z") for row in rows)
    assert not list((tmp_path / "sky").glob("*.part"))


def test_a_directory_cannot_be_endless(tmp_path: Path):
    with pytest.raises(SettingsError, match="endless"):
        simulate_to_directory(SimulatorConfig(images=0), tmp_path)


def test_messages_follow_the_contract(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    sent = _fake_kafka(monkeypatch, error=None)
    images = []
    before = datetime.now(UTC)
    n_images = stream.stream_to_kafka(
        SMALL,
        bootstrap_servers="nowhere:1",
        topic_prefix="test-",
        truth_path=tmp_path / "truth.csv",
        on_image=images.append,
    )
    assert n_images == len(sent) == len(images) == 16
    assert {message.topic for message in sent} == {"test-images-v1"}
    keys = [message.key for message in sent[:2]]
    assert keys == [b"simulated:124.000MHz", b"simulated:149.000MHz"]
    headers = sent[0].headers
    assert headers["sha256"] == headers["image-id"] == images[0].sha256
    assert headers["content-type"] == "application/fits"
    assert headers["stream"] == "simulated"
    assert datetime.fromisoformat(headers["t-sent"]) >= before
    assert abs((images[0].time_start - before).total_seconds()) < 5
    assert _read(tmp_path / "truth.csv")


def test_a_failed_delivery_is_an_error(monkeypatch: pytest.MonkeyPatch):
    _fake_kafka(monkeypatch, error=KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    with pytest.raises(TransientError, match="did not accept"):
        stream.stream_to_kafka(SMALL, bootstrap_servers="nowhere:1")


def test_stop_ends_an_endless_stream_and_the_truth_grows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    _fake_kafka(monkeypatch, error=None)
    stop = threading.Event()
    endless = SimulatorConfig(
        images=0, size=128, n_steady=1, n_variable=0, n_faint=0, n_transient=2, bands_hz=(149e6,)
    )
    n_images = stream.stream_to_kafka(
        endless,
        bootstrap_servers="nowhere:1",
        truth_path=tmp_path / "truth.csv",
        cadence_s=0.0,
        stop=stop,
        on_image=lambda image: stop.set() if image.timestep == 101 else None,
    )
    assert n_images == 102
    assert [row["source_number"] for row in _read(tmp_path / "truth.csv")] == list("01234")


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(simulate)
    return app


def test_the_command_writes_a_directory(app: typer.Typer, tmp_path: Path):
    result = CliRunner().invoke(app, [str(tmp_path), "--images", "2", "--bands", "1"])
    assert result.exit_code == 0, result.output
    assert "wrote 2 images" in result.output
    assert len(list(tmp_path.glob("*.fits"))) == 2


@pytest.mark.parametrize(
    "arguments", [[], ["out", "--size", "101"], ["--kafka", "no-port"], ["out", "--images", "0"]]
)
def test_wrong_usage_exits_with_2(app: typer.Typer, arguments: list[str]):
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_kafka_takes_an_address(app: typer.Typer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    sent = _fake_kafka(monkeypatch, error=None)
    arguments = ["--kafka", "127.0.0.1:1", "--images", "2", "--bands", "1", "--cadence", "0.01"]
    result = CliRunner().invoke(app, [*arguments, "--truth", str(tmp_path / "truth.csv")])
    assert result.exit_code == 0, result.output
    assert len(sent) == 2
