"""Transport encryption and login, and which setting is wrong when the broker refuses them."""

import ssl
from pathlib import Path

from confluent_kafka import KafkaError
from pydantic import SecretStr

from runtime.errors import SettingsError
from runtime.settings import KafkaSettings

__all__ = ["create_ssl_context", "describe_refusal", "security_config", "without_duration"]

_NAME = "LIVETRAP_KAFKA__"
# Parts of messages of librdkafka and OpenSSL, and the setting that is wrong.
_MESSAGES = (
    ("not valid in current SASL state", "SECURITY_PROTOCOL"),  # it expects no login
    ("connecting to a PLAINTEXT broker", "SECURITY_PROTOCOL"),
    ("mechanism handshake failed", "SASL_MECHANISM"),
    # The broker's answer to our certificate.
    ("alert certificate", "SSL_CERTIFICATE_LOCATION"),
    ("alert bad certificate", "SSL_CERTIFICATE_LOCATION"),
    ("alert unknown ca", "SSL_CERTIFICATE_LOCATION"),
)
_BY_CODE = {
    KafkaError._AUTHENTICATION: ("SASL_USERNAME", "SASL_PASSWORD"),  # noqa: SLF001  (their names)
    KafkaError._SSL: ("SSL_CA_LOCATION",),  # noqa: SLF001
}


def security_config(settings: KafkaSettings) -> dict[str, str]:
    """Return librdkafka's properties for transport and login.

    Raises
    ------
    SettingsError
        If a file is missing or invalid.
    """
    if settings.uses_ssl:
        create_ssl_context(settings)  # its errors name setting and file, librdkafka's do not
    optional = {
        "sasl.mechanism": settings.sasl_mechanism,
        "sasl.username": settings.sasl_username,
        "sasl.password": _reveal(settings.sasl_password),
        "ssl.ca.location": settings.ssl_ca_location,
        "ssl.certificate.location": settings.ssl_certificate_location,
        "ssl.key.location": settings.ssl_key_location,
        "ssl.key.password": _reveal(settings.ssl_key_password),
    }
    given = {name: str(value) for name, value in optional.items() if value}
    return {"security.protocol": settings.security_protocol, **given}


def create_ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    """Return the context of an encrypted connection: the broker's name and issuer are checked.

    Raises
    ------
    SettingsError
        If a file is missing or invalid.
    """
    ca = _readable(settings.ssl_ca_location, "SSL_CA_LOCATION")
    certificate = _readable(settings.ssl_certificate_location, "SSL_CERTIFICATE_LOCATION")
    key = _readable(settings.ssl_key_location, "SSL_KEY_LOCATION")
    try:
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError as error:
        raise SettingsError(
            f"setting {_NAME}SSL_CA_LOCATION: {ca} holds no certificate in PEM ({error})"
        ) from None
    if certificate and key:
        try:
            # Never None: OpenSSL would prompt for the password on the terminal.
            context.load_cert_chain(certificate, key, _reveal(settings.ssl_key_password))
        except ssl.SSLError as error:
            raise SettingsError(
                f"settings {_NAME}SSL_CERTIFICATE_LOCATION={certificate}, {_NAME}SSL_KEY_LOCATION="
                f"{key}: not a certificate and its key in PEM, or {_NAME}SSL_KEY_PASSWORD is "
                f"wrong ({error})"
            ) from None
    return context


def describe_refusal(settings: KafkaSettings, error: KafkaError) -> str | None:
    """Return which setting the broker refuses, and why; None if `error` is about something else.

    Parameters
    ----------
    settings : KafkaSettings
        Of the client that had `error`.
    error : KafkaError
        From librdkafka's error callback.
    """
    names = _refused_settings(error)
    if not names:
        return None
    reason = without_duration(error.str())
    listed = " and ".join(_NAME + name for name in names)
    return f"Kafka at {settings.bootstrap_servers} refuses the login; check {listed}: {reason}"


def without_duration(reason: str) -> str:
    """Return librdkafka's message without the duration: the same cause gives the same text."""
    return reason.partition(" (after ")[0]


def _refused_settings(error: KafkaError) -> tuple[str, ...]:
    message = error.str()
    named = next((name for part, name in _MESSAGES if part in message), None)
    return (named,) if named else _BY_CODE.get(error.code(), ())


def _readable(path: Path | None, name: str) -> str | None:
    """Return the path of a file that can be opened."""
    if not path:
        return None
    try:
        with Path(path).open("rb"):
            return str(path)
    except OSError as error:
        raise SettingsError(
            f"setting {_NAME}{name}: cannot read {path}: {error.strerror}"
        ) from None


def _reveal(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
