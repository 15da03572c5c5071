"""The parts of the composition root that decide something."""

import faust
import pytest

from runtime.settings import KafkaSettings
from services.alert.app.stream import _credentials
from services.alert.app.watchdog import PATIENCE_S, Watchdog


def test_events_that_wait_for_a_minute_are_noticed() -> None:
    watchdog = Watchdog(0.0)
    assert not watchdog.is_stuck(5, (10, 20), 10.0)
    assert not watchdog.is_stuck(5, (10, 20), 10.0 + PATIENCE_S)
    assert watchdog.is_stuck(5, (10, 20), 10.1 + PATIENCE_S)


@pytest.mark.parametrize(("lag", "committed"), [(0, (10,)), (7, (11,))])
def test_no_lag_or_any_progress_is_fine(lag: int, committed: tuple[int, ...]) -> None:
    watchdog = Watchdog(0.0)
    watchdog.is_stuck(5, (10,), 0.0)
    assert not watchdog.is_stuck(lag, committed, 10 * PATIENCE_S)


def test_attempts_in_front_of_a_closed_door_are_no_standstill() -> None:
    watchdog = Watchdog(0.0)
    for now_s in range(0, 1000, 30):
        watchdog.note_attempt(float(now_s))
        assert not watchdog.is_stuck(5, (10,), now_s + 10.0)


def test_faust_logs_in_as_librdkafka_does() -> None:
    assert _credentials(KafkaSettings()) is None
    assert isinstance(_credentials(KafkaSettings(security_protocol="ssl")), faust.SSLCredentials)
    login = {"sasl_mechanism": "SCRAM-SHA-256", "sasl_username": "me", "sasl_password": "x"}
    for protocol in ("SASL_PLAINTEXT", "SASL_SSL"):
        made = _credentials(KafkaSettings(security_protocol=protocol, **login))
        assert isinstance(made, faust.SASLCredentials)
        assert (made.protocol.value, made.mechanism.value) == (protocol, "SCRAM-SHA-256")
        assert (made.username, made.password) == ("me", "x")
        assert (made.ssl_context is None) == (protocol == "SASL_PLAINTEXT")
