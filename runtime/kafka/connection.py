"""How every client of Kafka connects."""

from runtime.kafka.security import security_config
from runtime.settings import KafkaSettings

__all__ = ["common_config"]


def common_config(settings: KafkaSettings) -> dict[str, str | int | float | bool]:
    """Return the properties that every client needs.

    Raises
    ------
    SettingsError
        If a certificate or key file is missing or invalid.
    """
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "reconnect.backoff.max.ms": 2000,
        "broker.address.family": settings.address_family,
        "log.connection.close": False,
        **security_config(settings),
    }
