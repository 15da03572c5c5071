"""The order of the sources of settings, and names and values that are refused."""

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
        ("LIVETRAP_ALERT", "{}"),
        ("LIVETRAP_DISTRIBUTE__WEBHOOKS", "https://robot.example.org"),
        ("LIVETRAP_EXTRACT__DETECTION_THRESHOLD_SIGMA", "-1"),
        ("LIVETRAP_VTP__PORT", "many"),
        ("LIVETRAP_ASSOCIATE__SPECTRAL_CONFLICT_SIGMA", "0"),
    ],
)
def test_unknown_or_invalid_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert name in str(refused.value)


def test_off_disables_the_spectral_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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


KUBERNETES_VARIABLES = {
    "LIVETRAP_API_SERVICE_HOST": "10.0.0.11",
    "LIVETRAP_API_SERVICE_PORT": "8080",
    "LIVETRAP_API_SERVICE_PORT_HTTP": "8080",
    "LIVETRAP_API_PORT": "tcp://10.0.0.11:8080",
    "LIVETRAP_API_PORT_8080_TCP": "tcp://10.0.0.11:8080",
    "LIVETRAP_API_PORT_8080_TCP_PROTO": "tcp",
    "LIVETRAP_API_PORT_8080_TCP_PORT": "8080",
    "LIVETRAP_API_PORT_8080_TCP_ADDR": "10.0.0.11",
    "LIVETRAP_VTP_PORT": "tcp://10.0.0.12:8099",
    "LIVETRAP_VTP_SERVICE_PORT_VTP": "8099",
    "LIVETRAP_POSTGRES_RW_SERVICE_HOST": "fd00::1",
    "LIVETRAP_POSTGRES_RW_PORT": "tcp://[fd00::1]:5432",
    "LIVETRAP_POSTGRES_RW_PORT_5432_TCP_ADDR": "fd00::1",
    "LIVETRAP_SERVICE_HOST": "10.0.0.13",
    "LIVETRAP_PORT": "tcp://10.0.0.13:80",
    "LIVETRAP_DNS_PORT_53_UDP": "udp://10.0.0.14:53",
}


def test_variables_that_kubernetes_makes_for_services_are_no_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in KUBERNETES_VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert load_settings() == Settings()
    assert load_settings().api.port == 8080


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIVETRAP_API_PORT", "8080"),
        ("LIVETRAP_VTP_PORT", "localhost:8099"),
        ("LIVETRAP_API_HOST", "10.0.0.11"),
        ("LIVETRAP_API_SERVICE_HOST", "example.org"),
        ("LIVETRAP_API_SERVICE_PORT", "http"),
        ("LIVETRAP_POSTGRES_URL", "postgresql://db/livetrap"),
        ("LIVETRAP_API__SERVICE_HOST", "10.0.0.11"),
        ("LIVETRAP_API_PORT_8080_TCP_PROTO", "http"),
    ],
)
def test_a_misspelt_setting_is_not_taken_for_a_variable_of_kubernetes(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"unknown setting {name} in the environment"):
        load_settings()


def test_the_most_similar_name_is_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVETRAP_POSTGRES_URL", "postgresql://db/livetrap")
    with pytest.raises(SettingsError, match=r"did you mean LIVETRAP_POSTGRES__URL\?"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("port = 1\n", "port in the configuration file stands outside of a section"),
        ("[vtp\n", "cannot read configuration file"),
        ("[kafkka]\n", r"unknown section \[kafkka\] in the configuration file; there are kafka"),
    ],
)
def test_an_invalid_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, reason: str
) -> None:
    file = tmp_path / "site.toml"
    file.write_text(text)
    monkeypatch.setenv("LIVETRAP_CONFIG", str(file))
    with pytest.raises(SettingsError, match=reason):
        load_settings()


def test_a_missing_configuration_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVETRAP_CONFIG", "/nowhere/site.toml")
    with pytest.raises(SettingsError, match=r"no configuration file at /nowhere/site\.toml"):
        load_settings()


def test_two_brokers_of_one_name_are_refused() -> None:
    comet = {"name": "comet", "host": "a.example.org"}
    with pytest.raises(SettingsError, match="the same name"):
        load_settings(distribute={"brokers": [comet, comet | {"host": "b.example.org"}]})


def test_secrets_do_not_show() -> None:
    settings = Settings(postgres={"url": "postgresql://me:secret@db/x"})
    assert "secret" not in repr(settings)


def test_every_setting_is_described() -> None:
    for section in Settings.model_fields.values():
        assert section.annotation is not None
        for name, field in section.annotation.model_fields.items():
            assert field.description, name
