"""Settings: one source wins over another, and nothing unknown is accepted."""

from pathlib import Path

import pytest

from runtime.errors import SettingsError
from runtime.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [each for each in os.environ if each.startswith("LIVETRAP_")]:
        monkeypatch.delenv(name)


def test_later_sources_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load_settings().vtp.port == 8099
    file = tmp_path / "site.toml"
    file.write_text("[vtp]\nport = 1001\n[api]\nport = 1001\n")
    monkeypatch.setenv("LIVETRAP_CONFIG", str(file))
    assert load_settings().vtp.port == 1001
    monkeypatch.setenv("LIVETRAP_VTP__PORT", "1002")
    assert load_settings().vtp.port == 1002
    assert load_settings().api.port == 1001
    assert load_settings(vtp={"port": 1003}).vtp.port == 1003


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIVETRAP_EXTRACT__DETECTION_TRESHOLD_SIGMA", "5"),
        ("LIVETRAP_KAFKKA__BOOTSTRAP_SERVERS", "x"),
        ("LIVETRAP_NONSENSE", "x"),
        ("LIVETRAP_EXTRACT__DETECTION_THRESHOLD_SIGMA", "-1"),
        ("LIVETRAP_VTP__PORT", "many"),
        ("LIVETRAP_ASSOCIATE__SPECTRAL_CONFLICT_SIGMA", "0"),
    ],
)
def test_unknown_or_senseless_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert name in str(refused.value)


def test_spectral_checks_are_switched_off_by_a_word(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load_settings().associate.spectral_conflict_sigma == 5.0
    monkeypatch.setenv("LIVETRAP_ASSOCIATE__SPECTRAL_CONFLICT_SIGMA", "off")
    assert load_settings().associate.spectral_conflict_sigma is None
    monkeypatch.setenv("LIVETRAP_ASSOCIATE__SPECTRAL_CONFLICT_SIGMA", "7.5")
    assert load_settings().associate.spectral_conflict_sigma == 7.5
    monkeypatch.delenv("LIVETRAP_ASSOCIATE__SPECTRAL_CONFLICT_SIGMA")
    file = tmp_path / "site.toml"
    file.write_text('[associate]\nspectral_conflict_sigma = "off"\n')
    monkeypatch.setenv("LIVETRAP_CONFIG", str(file))
    assert load_settings().associate.spectral_conflict_sigma is None


def test_a_missing_configuration_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVETRAP_CONFIG", "/nowhere/site.toml")
    with pytest.raises(SettingsError, match=r"no configuration file at /nowhere/site\.toml"):
        load_settings()


def test_two_outlets_may_not_share_a_name() -> None:
    comet = {"name": "comet", "host": "a.example.org"}
    with pytest.raises(SettingsError, match="the same name"):
        load_settings(alert={"brokers": [comet, comet | {"host": "b.example.org"}]})


def test_secrets_do_not_show() -> None:
    settings = Settings(postgres={"url": "postgresql://me:secret@db/x"})
    assert "secret" not in repr(settings)


def test_every_setting_is_described() -> None:
    for section in Settings.model_fields.values():
        assert section.annotation is not None
        for name, field in section.annotation.model_fields.items():
            assert field.description, name
