"""Every setting of LiveTrap, once: name, default, unit, bounds, and where its value came from."""

from runtime.settings.alert import (
    AlertSettings,
    BrokerSettings,
    EmailSettings,
    VtpSettings,
    WebhookSettings,
)
from runtime.settings.kafka import KafkaSettings
from runtime.settings.pipeline import AssociateSettings, ExtractSettings, IngestSettings
from runtime.settings.servers import (
    ApiSettings,
    LoggingSettings,
    MetricsSettings,
    PostgresSettings,
)
from runtime.settings.whole import ENV_PREFIX, Settings, load_settings

__all__ = [
    "ENV_PREFIX",
    "AlertSettings",
    "ApiSettings",
    "AssociateSettings",
    "BrokerSettings",
    "EmailSettings",
    "ExtractSettings",
    "IngestSettings",
    "KafkaSettings",
    "LoggingSettings",
    "MetricsSettings",
    "PostgresSettings",
    "Settings",
    "VtpSettings",
    "WebhookSettings",
    "load_settings",
]
