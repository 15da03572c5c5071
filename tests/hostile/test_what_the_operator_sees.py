"""What others wrote, on the operator's terminal; and what nobody should read there."""

import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from livetrap.cli import run
from livetrap.operator.alerts import render_alerts, render_deliveries
from livetrap.operator.dead_letters import render
from livetrap.operator.streams import render_stream, render_streams
from livetrap.operator.subscribers import render_subscribers
from livetrap.operator.suppressed_events import render_suppressed
from livetrap.terminal.printable import to_printable
from runtime.errors import PipelineError
from runtime.postgres import connect
from runtime.settings import PostgresSettings

EVIL = "\x1b]0;owned\x07\x1b[2Jname\nforged  line\r\u202e\u200b\x9b31m"
TIME = datetime(2026, 3, 1, tzinfo=UTC)


class Everything(dict[str, Any]):
    """A row whose texts are all evil, and whose other values are plausible."""

    def __missing__(self, name: str) -> Any:
        if name in ("ra", "dec", "snr") or name.startswith("n_"):
            return 1.0
        return TIME if name.startswith(("time_", "last_")) else EVIL


def rendered() -> list[str]:
    row = Everything()
    stream = {"name": EVIL, "bands": []}
    return [
        render_alerts([row]), render_deliveries([row]), render([row]),
        render_streams([row]), render_stream(stream), render_subscribers([row]),
        render_suppressed([row]),
    ]  # fmt: skip


def test_no_list_prints_what_a_terminal_obeys() -> None:
    for text in rendered():
        assert all(line.isprintable() for line in text.split("\n")), text
        assert not any(line.startswith("forged") for line in text.split("\n")), text
        assert r"\x1b" in text


@given(st.text())
def test_a_text_becomes_one_printable_line(text: str) -> None:
    assert to_printable(text).isprintable()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "https://hooks.example.org/services/T00/B00/hushhush",
            "https://hooks.example.org:443/***",
        ),
        ("https://hooks.example.org/?token=hushhush", "https://hooks.example.org:443/?***"),
        ("https://me:hushhush@hooks.example.org", "https://***@hooks.example.org:443/"),
        ("https://hushhush@hooks.example.org:8443/", "https://***@hooks.example.org:8443/"),
        ("https://hooks.example.org/#hushhush", "https://hooks.example.org:443/?***"),
    ],
)
def test_the_secret_of_a_webhook_is_not_shown(
    url: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "site.toml"
    path.write_text(f'[[distribute.webhooks]]\nname = "robot"\nurl = "{url}"\n')
    monkeypatch.setenv("LIVETRAP_CONFIG", str(path))
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(tmp_path / "no-stack"))
    assert run(["settings"]) == 0
    printed = capsys.readouterr().out
    assert "hushhush" not in printed
    assert f"url={shown}" in printed


REFUSED = [
    "https://me:hushhush@ho st/", "https://hooks.example.org:port/?token=hushhush",
    "me:hushhush@hooks.example.org", "ftp://hooks.example.org/hushhush", "https://[hushhush/",
    "https:///?hushhush", "hushhush",
]  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
@pytest.mark.parametrize(
    "setting",
    [
        '[[distribute.webhooks]]\nname = "robot"\nurl = "{url}"\n',
        '[alert]\npublic_url = "{url}"\n',
    ],
)
def test_an_address_that_is_refused_is_not_shown(
    setting: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "site.toml"
    path.write_text(setting.format(url=url))
    monkeypatch.setenv("LIVETRAP_CONFIG", str(path))
    assert run(["settings"]) == 2
    said = capsys.readouterr()
    assert "hushhush" not in said.out + said.err
    assert "URL" in said.err


@pytest.mark.parametrize(
    "url",
    [
        "postgres://me:hush[hush@127.0.0.1:1/x", "postgres://me:hush]hush@127.0.0.1:1/x",
        "postgres://me:hush/hush@127.0.0.1:1/x", "postgres://me:hush#hush@127.0.0.1:1/x",
        "postgres://me:hush?hush@127.0.0.1:1/x", "postgres://me:hush@127.0.0.1:hush/x",
        "postgres://me@hush@127.0.0.1:1/x", "postgres://127.0.0.1:1/x?password=hush&sslmode=hush",
        "mysql://me:hush@127.0.0.1:1/x", "hush", "postgres://me:hush@" + "h" * 99 + "/x",
    ],
)  # fmt: skip
async def test_a_database_whose_address_is_wrong_is_told_without_its_password(url: str) -> None:
    settings = PostgresSettings(url=SecretStr(url))
    with pytest.raises(PipelineError) as caught:
        await connect(settings, service="test")
    told = "".join(traceback.format_exception(caught.value))
    assert "hush" not in told
