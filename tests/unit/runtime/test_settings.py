"""The order of the sources of settings, and names and values that are refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

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
        ("LIVETRAP_ALERT__STORM_RELEASE_S", "Off"),
    ],
)
def test_unknown_or_invalid_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert name in str(refused.value)


def fields_of(model: type[BaseModel], *path: str) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Give the place of every setting in a model and in the models of its fields."""
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if path:
            yield (*path, name), field
        for each in models:
            yield from fields_of(each, *path, name)


def takes_none(field: FieldInfo) -> bool:
    try:
        TypeAdapter(field.annotation).validate_python(None)
    except ValidationError:
        return False
    return True


OPTIONAL = {place: field for place, field in fields_of(Settings) if takes_none(field)}
# Those inside of `webhooks` and `email` are keys of a table.
VARIABLES = [place for place in OPTIONAL if len(place) == 2]
WITH_A_VALUE = {
    ("alert", "event_name"), ("alert", "storm_release_s"), ("api", "requests_per_second"),
    ("archive", "keep_days"), ("associate", "spectral_conflict_sigma"),
    ("associate", "stamp_retention_days"), ("distribute", "delivery_retention_days"),
}  # fmt: skip


def test_the_settings_that_off_unsets_are_found() -> None:
    assert {each for each in VARIABLES if OPTIONAL[each].default is not None} == WITH_A_VALUE
    assert ("distribute", "webhooks", "secret") in OPTIONAL
    assert ("distribute", "email") in OPTIONAL


@pytest.mark.parametrize("place", VARIABLES, ids=".".join)
def test_off_unsets_every_optional_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: tuple[str, str]
) -> None:
    section, name = place
    variable = f"LIVETRAP_{section}__{name}".upper()
    monkeypatch.setenv(variable, "off")
    assert getattr(getattr(load_settings(), section), name) is None
    monkeypatch.delenv(variable)
    file = tmp_path / "site.toml"
    file.write_text(f'[{section}]\n{name} = "off"\n')
    monkeypatch.setenv("LIVETRAP_CONFIG", str(file))
    assert getattr(getattr(load_settings(), section), name) is None


@pytest.mark.parametrize("place", sorted(WITH_A_VALUE), ids=".".join)
def test_off_wins_over_the_file_and_a_value_over_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: tuple[str, str]
) -> None:
    section, name = place
    default = OPTIONAL[place].default
    written = f'"{default}"' if isinstance(default, str) else default
    variable = f"LIVETRAP_{section}__{name}".upper()
    file = tmp_path / "site.toml"
    monkeypatch.setenv("LIVETRAP_CONFIG", str(file))
    file.write_text(f"[{section}]\n{name} = {written}\n")
    monkeypatch.setenv(variable, "off")
    assert getattr(getattr(load_settings(), section), name) is None
    file.write_text(f'[{section}]\n{name} = "off"\n')
    monkeypatch.setenv(variable, str(default))
    assert getattr(getattr(load_settings(), section), name) == default


def test_off_unsets_what_is_in_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    webhook = '[{"name": "a", "url": "http://a.example.org", "secret": "off"}]'
    email = '{"host": "a", "sender": "a@b", "recipients": ["a@b"], "username": "off"}'
    monkeypatch.setenv("LIVETRAP_DISTRIBUTE__WEBHOOKS", webhook)
    monkeypatch.setenv("LIVETRAP_DISTRIBUTE__EMAIL", email)
    found = load_settings().distribute
    assert found.webhooks[0].secret is None
    assert found.email is not None
    assert found.email.username is None
    assert found.webhooks[0].name == "a"


@pytest.mark.parametrize("word", ["null", "none", "unset", ""])
def test_no_other_word_unsets_a_number(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("LIVETRAP_ALERT__STORM_RELEASE_S", word)
    with pytest.raises(SettingsError, match=r"LIVETRAP_ALERT__STORM_RELEASE_S.*; off unsets it$"):
        load_settings()


@pytest.mark.parametrize("name", ["VTP__PORT", "EXTRACT__MARGIN_PX", "ALERT__ROLE"])
def test_what_must_have_a_value_cannot_be_off(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"LIVETRAP_{name}", "off")
    with pytest.raises(SettingsError, match=f"LIVETRAP_{name}") as refused:
        load_settings()
    assert "unsets it" not in str(refused.value)


@pytest.mark.parametrize("place", OPTIONAL, ids=".".join)
def test_every_optional_setting_says_what_off_means(place: tuple[str, ...]) -> None:
    assert "off: " in str(OPTIONAL[place].description)


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
