"""Which servers and ports a stack has, and how commands find them."""

import os
import socket
from pathlib import Path

import pytest

from livetrap.commands.options import use_running_stack
from livetrap.operator.effective_settings import describe_settings
from livetrap.stack.foreground import announce
from livetrap.stack.plan import UpOptions, make_plan
from livetrap.stack.ports import choose_port, is_free, is_listening
from livetrap.stack.state import StackState, started_at, write_state
from runtime.errors import SettingsError
from runtime.settings import load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("LIVETRAP_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the data folder of a stack whose process is this one."""
    folder = tmp_path / "stack"
    folder.mkdir()
    state = StackState(
        pid=os.getpid(), time_started=started_at(os.getpid()) or 0.0, socket="",
        kafka="127.0.0.1:19092", postgres_url="postgresql://livetrap:hunter2@127.0.0.1/livetrap",
        api_url="http://[::1]:18080", vtp_host="127.0.0.1", vtp_port=18099, own_ports=[],
        own_servers=[], kafka_cluster_id="own",
    )  # fmt: skip
    write_state(folder, state)
    # What a command sets in its environment ends with the test.
    for name in state.environment():
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return folder


def test_a_command_finds_the_stack_of_the_default_folder(
    running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(running))
    names = use_running_stack(None)
    settings = load_settings()
    assert settings.kafka.bootstrap_servers == "127.0.0.1:19092"
    assert settings.kafka.cluster_id == "own"
    assert (settings.api.port, settings.vtp.port) == (18080, 18099)
    assert "LIVETRAP_KAFKA__BOOTSTRAP_SERVERS" in names


def test_servers_of_environment_and_file_win_over_a_stack_that_was_not_named(
    running: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "site.toml"
    file.write_text("[kafka]\nbootstrap_servers = 'file:9092'\n[extract]\nmargin_px = 7\n")
    monkeypatch.setenv("LIVETRAP_CONFIG", str(file))
    monkeypatch.setenv("LIVETRAP_VTP__PORT", "1234")
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(running))
    use_running_stack(None)
    settings = load_settings()
    assert settings.kafka.bootstrap_servers == "file:9092"
    assert settings.kafka.cluster_id is None
    assert (settings.api.port, settings.vtp.port) == (18080, 1234)
    assert settings.extract.margin_px == 7


def test_the_stack_of_a_named_folder_wins_over_environment_and_file(
    running: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "site.toml"
    file.write_text("[kafka]\nbootstrap_servers = 'file:9092'\n")
    monkeypatch.setenv("LIVETRAP_CONFIG", str(file))
    monkeypatch.setenv("LIVETRAP_VTP__PORT", "1234")
    use_running_stack(running)
    settings = load_settings()
    assert settings.kafka.bootstrap_servers == "127.0.0.1:19092"
    assert settings.vtp.port == 18099


def test_each_setting_has_its_origin_and_no_secret(
    running: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "site.toml"
    file.write_text("[extract]\nmargin_px = 7\n")
    monkeypatch.setenv("LIVETRAP_CONFIG", str(file))
    monkeypatch.setenv("LIVETRAP_DISTRIBUTE__EMAIL__HOST", "mail")
    monkeypatch.setenv("LIVETRAP_DISTRIBUTE__EMAIL__SENDER", "me@here")
    monkeypatch.setenv("LIVETRAP_DISTRIBUTE__EMAIL__RECIPIENTS", '["you@there"]')
    lines = {line["name"]: line for line in describe_settings(of_stack=use_running_stack(running))}
    assert lines["LIVETRAP_POSTGRES__URL"]["origin"] == "running stack"
    assert lines["LIVETRAP_EXTRACT__MARGIN_PX"]["origin"] == "configuration file"
    assert lines["LIVETRAP_DISTRIBUTE__EMAIL"]["origin"] == "environment"
    assert lines["LIVETRAP_ALERT__ROLE"]["origin"] == "default"
    assert not any("hunter2" in line["value"] for line in lines.values())


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("0.0.0.0", "http://127.0.0.1:"),  # noqa: S104  (that is what is tested)
        ("::1", "http://[::1]:"),
        ("::", "http://[::1]:"),
    ],
)
def test_a_plan_has_an_address_that_this_machine_can_reach(
    host: str, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIVETRAP_API__HOST", host)
    monkeypatch.setenv("LIVETRAP_VTP__HOST", host)
    plan = make_plan(UpOptions(tmp_path))
    assert plan.api_url == f"{url}{plan.api_port}"
    assert plan.vtp_host in url
    assert len(set(plan.own_ports)) == 5


def test_the_command_line_wins_over_environment_and_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ports = [choose_port(None, taken=set()) for _ in range(3)]
    file = tmp_path / "site.toml"
    file.write_text(f"[api]\nport = {ports[0]}\n[kafka]\nbootstrap_servers = 'file:9092'\n")
    monkeypatch.setenv("LIVETRAP_CONFIG", str(file))
    plan = make_plan(UpOptions(tmp_path))
    assert (plan.api_port, plan.kafka_url) == (ports[0], "file:9092")
    monkeypatch.setenv("LIVETRAP_API__PORT", str(ports[1]))
    assert make_plan(UpOptions(tmp_path)).api_port == ports[1]
    plan = make_plan(UpOptions(tmp_path, api_port=ports[2], kafka="mine:9092"))
    assert (plan.api_port, plan.kafka_url) == (ports[2], "mine:9092")


def test_security_without_a_broker_of_your_own_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIVETRAP_KAFKA__SECURITY_PROTOCOL", "ssl")
    with pytest.raises(SettingsError, match=r"name it with --kafka HOST:PORT"):
        make_plan(UpOptions(tmp_path))


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_port_is_in_use_by_either_family(family: socket.AddressFamily) -> None:
    host = "127.0.0.1" if family is socket.AF_INET else "::1"
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip("this machine has no loopback of IPv6")
    with server:
        port = server.getsockname()[1]
        assert is_listening(port, host=host)
        assert not is_free(port)
        with pytest.raises(SettingsError, match=rf"port {port} \(--api-port\) is in use"):
            choose_port(None, wanted=port, option="--api-port", taken=set())


@pytest.mark.parametrize(
    ("public_url", "said"),
    [
        (None, "links    none: LIVETRAP_ALERT__PUBLIC_URL is not set"),
        ("https://livetrap.example.org/", "links    https://livetrap.example.org/"),
    ],
)
def test_up_says_where_the_links_in_alerts_lead(
    public_url: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    state = StackState(
        pid=1, time_started=0.0, socket="/s", kafka="127.0.0.1:9092", postgres_url="postgresql:///x",
        api_url="http://127.0.0.1:8080", vtp_host="127.0.0.1", vtp_port=8099, own_ports=[],
        own_servers=[], public_url=public_url,
    )  # fmt: skip
    announce(state)
    assert said in capsys.readouterr().out
