"""What each process may read: the sections it shares with others, and its own."""

from pydantic import Field

from runtime.settings.alert import AlertSettings, Authority
from runtime.settings.archive import ArchiveSettings
from runtime.settings.distribute import DistributeSettings, VtpSettings
from runtime.settings.kafka import KafkaSettings
from runtime.settings.pipeline import (
    AssociateSettings,
    ExtractSettings,
    ImageLimits,
    IngestSettings,
    RmsBounds,
)
from runtime.settings.servers import (
    ApiSettings,
    LoggingSettings,
    MetricsSettings,
    PostgresSettings,
)
from runtime.settings.sources import SettingsOfSections

__all__ = [
    "AlertProcessSettings",
    "ApiProcessSettings",
    "ArchiveProcessSettings",
    "AssociateProcessSettings",
    "DistributeProcessSettings",
    "ExtractProcessSettings",
    "IngestProcessSettings",
    "ServiceSettings",
    "Settings",
    "WorkerSettings",
]


class ServiceSettings(SettingsOfSections):
    """What every service reads."""

    logging: LoggingSettings = Field(default_factory=LoggingSettings)


class WorkerSettings(ServiceSettings):
    """What a service on Kafka reads."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)


class IngestProcessSettings(WorkerSettings):
    """What `services.ingest` reads."""

    ingest: IngestSettings = Field(default_factory=IngestSettings)


class ExtractProcessSettings(WorkerSettings):
    """What `services.extract` reads."""

    ingest: ImageLimits = Field(default_factory=ImageLimits)
    extract: ExtractSettings = Field(default_factory=ExtractSettings)


class AssociateProcessSettings(WorkerSettings):
    """What `services.associate` reads."""

    postgres: PostgresSettings = Field(default_factory=PostgresSettings)
    associate: AssociateSettings = Field(default_factory=AssociateSettings)


class AlertProcessSettings(WorkerSettings):
    """What `services.alert` reads."""

    postgres: PostgresSettings = Field(default_factory=PostgresSettings)
    alert: AlertSettings = Field(default_factory=AlertSettings)


class DistributeProcessSettings(WorkerSettings):
    """What `services.distribute` reads."""

    postgres: PostgresSettings = Field(default_factory=PostgresSettings)
    alert: Authority = Field(default_factory=Authority)
    distribute: DistributeSettings = Field(default_factory=DistributeSettings)
    vtp: VtpSettings = Field(default_factory=VtpSettings)


class ArchiveProcessSettings(WorkerSettings):
    """What `services.archive` reads."""

    ingest: ImageLimits = Field(default_factory=ImageLimits)
    postgres: PostgresSettings = Field(default_factory=PostgresSettings)
    archive: ArchiveSettings = Field(default_factory=ArchiveSettings)


class ApiProcessSettings(ServiceSettings):
    """What `api` reads."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    postgres: PostgresSettings = Field(default_factory=PostgresSettings)
    api: ApiSettings = Field(default_factory=ApiSettings)
    extract: RmsBounds = Field(default_factory=RmsBounds)
    archive: ArchiveSettings = Field(default_factory=ArchiveSettings)


class Settings(SettingsOfSections):
    """Every section, for the commands of an operator."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    postgres: PostgresSettings = Field(default_factory=PostgresSettings)
    ingest: IngestSettings = Field(default_factory=IngestSettings)
    extract: ExtractSettings = Field(default_factory=ExtractSettings)
    associate: AssociateSettings = Field(default_factory=AssociateSettings)
    alert: AlertSettings = Field(default_factory=AlertSettings)
    distribute: DistributeSettings = Field(default_factory=DistributeSettings)
    vtp: VtpSettings = Field(default_factory=VtpSettings)
    api: ApiSettings = Field(default_factory=ApiSettings)
    archive: ArchiveSettings = Field(default_factory=ArchiveSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    logging: LoggingSettings = Field(default_factory=LoggingSettings)
