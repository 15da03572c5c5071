"""The lines of the demo: an alert of the API's stream, and its match in the truth."""

from pathlib import Path

import pytest

from livetrap.demo.alert_feed import parse_alert
from livetrap.demo.run import prepare_folder
from livetrap.demo.ticker import alert_line
from livetrap.demo.truth import TruthFile
from runtime.errors import SettingsError

ALERT = {
    "ivorn": "ivo://org.test/night#t.0", "kind": "new_source", "alert_type": "initial",
    "time_alert": "2026-01-01T00:00:00Z", "ra": 359.999, "dec": 0.0, "snr": 12.3,
}  # fmt: skip


def test_the_nearest_true_source_within_30_arcsec_is_the_match(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    truth = TruthFile(path)
    assert truth.match(0.0, 0.0) is None
    path.write_text("ra,dec,kind\n0.001,0.0,transient\n0.004,0.0,steady\n180.0,45.0,variable\n")
    kind, distance_arcsec = truth.match(359.999, 0.0) or ("", 0.0)
    assert (kind, distance_arcsec) == ("transient", pytest.approx(7.2))
    assert truth.match(90.0, 0.0) is None
    with path.open("a") as file:
        file.write("90.0,0.0,steady\n")
    assert truth.match(90.0, 0.0) == ("steady", 0.0)


def test_a_line_has_the_alert_and_its_match(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text("ra,dec,kind\n0.0,0.0,transient\n")
    truth = TruthFile(path)
    line = alert_line(parse_alert(ALERT), truth)
    assert line.startswith("2026-01-01T00:00:00  new_source")
    assert line.endswith("snr   12.3  true: transient, 3.6 arcsec away")
    assert alert_line(parse_alert(ALERT | {"ra": 10.0}), truth).endswith("NOT in the truth")


def test_no_signal_to_noise_ratio_is_minus_zero(tmp_path: Path) -> None:
    line = alert_line(parse_alert(ALERT | {"snr": -0.04}), TruthFile(tmp_path / "truth.csv"))
    assert "snr    0.0  " in line


def test_a_later_alert_is_of_its_type() -> None:
    assert parse_alert(ALERT | {"alert_type": "retraction"}).kind == "retraction"


def test_only_a_folder_of_a_demo_is_emptied(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    prepare_folder(folder, keep=False)
    (folder / "old").touch()
    prepare_folder(folder, keep=True)
    assert (folder / "old").exists()
    prepare_folder(folder, keep=False)
    assert not (folder / "old").exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").touch()
    with pytest.raises(SettingsError, match="has files that no demo wrote"):
        prepare_folder(other, keep=False)
    assert (other / "thesis.tex").exists()
