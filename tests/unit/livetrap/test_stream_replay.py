"""Settings of a replay: those that make no sense are refused before anything is read."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from livetrap.stream_replay.replay import Replay, replay_stream, to_overrides
from runtime.errors import SettingsError


@pytest.mark.parametrize("text", ["nan", "inf", "0", "-5", "8 sigma", ""])
def test_a_threshold_is_a_number_above_0(text: str, tmp_path: Path) -> None:
    night = datetime(2026, 1, 1, tzinfo=UTC)
    replay = Replay(
        archive=tmp_path,
        stream="night",
        into="strict",
        since=night,
        until=night,
        overrides=to_overrides([f"detection_threshold_sigma={text}"]),
    )
    with pytest.raises(SettingsError, match="give a number above 0"):
        replay_stream(replay)
