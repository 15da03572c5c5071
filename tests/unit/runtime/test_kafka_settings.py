"""Settings of a secured Kafka, and combinations that are refused."""

import pytest

from runtime.errors import SettingsError
from runtime.kafka import clients
from runtime.kafka.connection import common_config
from runtime.settings import load_settings

SASL = {
    "SECURITY_PROTOCOL": "sasl_plaintext",
    "SASL_MECHANISM": "SCRAM-SHA-512",
    "SASL_USERNAME": "me",
    "SASL_PASSWORD": "hunter2",
}
SSL = {"SECURITY_PROTOCOL": "ssl"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [each for each in os.environ if each.startswith("LIVETRAP_")]:
        monkeypatch.delenv(name)


def put(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"LIVETRAP_KAFKA__{name}", value)


def test_the_settings_become_properties_of_librdkafka(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, SASL | {"SECURITY_PROTOCOL": "SASL_PLAINTEXT"})
    config = common_config(load_settings().kafka)
    expected = {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": "hunter2",
    }
    assert expected.items() <= config.items()
    assert not any(name.startswith("ssl.") for name in config)


@pytest.mark.parametrize("session_s", [6.0, 10.0, 20.5])
def test_a_member_that_is_silent_for_the_session_loses_its_partitions(
    monkeypatch: pytest.MonkeyPatch, session_s: float
) -> None:
    put(monkeypatch, {"SESSION_TIMEOUT_S": str(session_s), "INSTANCE_ID": "extract-0"})
    given: dict[str, object] = {}
    monkeypatch.setattr(
        clients, "CheckedConsumer", lambda config, **_: given.update(config) or object()
    )
    clients.create_consumer(load_settings().kafka, group="extract")
    assert given["session.timeout.ms"] == int(1000 * session_s)
    assert given["group.instance.id"] == "extract-extract-0"


def test_a_full_queue_is_filled_again_before_a_handler_is_out_of_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: dict[str, float] = {}
    monkeypatch.setattr(
        clients, "CheckedConsumer", lambda config, **_: given.update(config) or object()
    )
    clients.create_consumer(load_settings().kafka, group="extract")
    # A queue of the smallest images of a night holds a hundred of them, of 5 ms each.
    assert given["fetch.queue.backoff.ms"] < 100


def test_protocols_are_accepted_in_any_case_and_empty_variables_are_unset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(monkeypatch, SASL | {"SASL_MECHANISM": "scram-sha-512", "SSL_CA_LOCATION": ""})
    assert load_settings().kafka.sasl_mechanism == "SCRAM-SHA-512"
    put(monkeypatch, dict.fromkeys(SASL, "") | {"SECURITY_PROTOCOL": "SSL"})
    config = common_config(load_settings().kafka)
    assert config["security.protocol"] == "ssl"
    assert not any(name.startswith("sasl.") for name in config)


@pytest.mark.parametrize(
    ("values", "named", "reason"),
    [
        (SASL | {"SASL_USERNAME": ""}, "SASL_USERNAME", "is needed with"),
        (SASL | {"SASL_PASSWORD": ""}, "SASL_PASSWORD", "is needed with"),
        (SASL | {"SASL_MECHANISM": ""}, "SASL_MECHANISM", "is needed with"),
        (SASL | {"SASL_MECHANISM": "GSSAPI"}, "SASL_MECHANISM", "should be 'PLAIN'"),
        (SASL | {"SECURITY_PROTOCOL": "tls"}, "SECURITY_PROTOCOL", "should be 'plaintext'"),
        (SASL | SSL, "SASL_MECHANISM", "has no effect with"),
        ({"SASL_PASSWORD": "hunter2"}, "SASL_PASSWORD", "has no effect with"),
        (SASL | {"SSL_CA_LOCATION": "ca"}, "SSL_CA_LOCATION", "has no effect with"),
        ({"SSL_CA_LOCATION": "ca"}, "SSL_CA_LOCATION", "has no effect with"),
        ({"SSL_KEY_PASSWORD": "hunter2"}, "SSL_KEY_PASSWORD", "has no effect with"),
        (SSL | {"SSL_KEY_LOCATION": "k"}, "SSL_KEY_LOCATION", "has no effect without"),
        (SSL | {"SSL_CERTIFICATE_LOCATION": "c"}, "SSL_KEY_LOCATION", "is needed with"),
        (SSL | {"SSL_KEY_PASSWORD": "hunter2"}, "SSL_KEY_PASSWORD", "has no effect without"),
    ],
)
def test_an_impossible_combination_is_one_line_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], named: str, reason: str
) -> None:
    put(monkeypatch, values)
    with pytest.raises(
        SettingsError, match=f"^setting LIVETRAP_KAFKA__{named}: .*{reason}"
    ) as refused:
        load_settings()
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_error_about_settings_contains_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    webhook = '[{"name": "x", "url": "http://x", "secret": "hunter2"}]'
    for name, value in (
        ("KAFKA__SASL_PASSWORT", "hunter2"),
        ("API__WRITE_TOKEN", "hunter2"),
        ("DISTRIBUTE__WEBHOOKS", webhook),
        ("DISTRIBUTE__WEBHOOKS", webhook.replace("name", "title")),
        ("DISTRIBUTE__EMAIL", '{"password": "hunter2"}'),
        ("DISTRIBUTE__EMAIL", '{"password": ["hunter2"], "host": "x"}'),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(f"LIVETRAP_{name}", value)
            with pytest.raises(SettingsError, match=f"LIVETRAP_{name}") as refused:
                load_settings()
            assert "hunter2" not in str(refused.value)
