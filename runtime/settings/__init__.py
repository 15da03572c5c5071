"""All settings: name, default, unit and bounds of each, and which process reads it."""

from runtime.settings.alert import AlertSettings
from runtime.settings.archive import ArchiveSettings
from runtime.settings.distribute import (
    BrokerSettings,
    DistributeSettings,
    EmailSettings,
    SubscriberSettings,
    VtpSettings,
    WebhookSettings,
)
from runtime.settings.kafka import KafkaSettings
from runtime.settings.loading import load_settings
from runtime.settings.names import LOCATION_VARIABLES, names_in_config_file
from runtime.settings.pipeline import (
    AssociateSettings,
    ExtractSettings,
    ImageLimits,
    IngestSettings,
    RmsBounds,
)
from runtime.settings.processes import (
    AlertProcessSettings,
    ApiProcessSettings,
    ArchiveProcessSettings,
    AssociateProcessSettings,
    DistributeProcessSettings,
    ExtractProcessSettings,
    IngestProcessSettings,
    ServiceSettings,
    Settings,
    WorkerSettings,
)
from runtime.settings.servers import (
    ApiSettings,
    LoggingSettings,
    MetricsSettings,
    PostgresSettings,
)
from runtime.settings.sources import ENV_PREFIX

__all__ = [
    "ENV_PREFIX",
    "LOCATION_VARIABLES",
    "AlertProcessSettings",
    "AlertSettings",
    "ApiProcessSettings",
    "ApiSettings",
    "ArchiveProcessSettings",
    "ArchiveSettings",
    "AssociateProcessSettings",
    "AssociateSettings",
    "BrokerSettings",
    "DistributeProcessSettings",
    "DistributeSettings",
    "EmailSettings",
    "ExtractProcessSettings",
    "ExtractSettings",
    "ImageLimits",
    "IngestProcessSettings",
    "IngestSettings",
    "KafkaSettings",
    "LoggingSettings",
    "MetricsSettings",
    "PostgresSettings",
    "RmsBounds",
    "ServiceSettings",
    "Settings",
    "SubscriberSettings",
    "VtpSettings",
    "WebhookSettings",
    "WorkerSettings",
    "load_settings",
    "names_in_config_file",
]
