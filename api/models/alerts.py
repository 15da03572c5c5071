"""Alerts and their deliveries."""

from datetime import datetime

from pydantic import Field

from api.models.base import Model
from schemas.delivery_channels import DeliveryChannelName

__all__ = ["AlertDeliveries", "AlertItem", "DeliveryItem"]


class AlertItem(Model):
    """An alert that was sent."""

    id: int
    ivorn: str
    trig_id: str = Field(description="Identifier of its alert family")
    revision: int = Field(description="Number within its family, from 0")
    alert_type: str = Field(description="initial, subsequent, update or retraction")
    role: str = Field(description="observation, utility or test; alerts on injections are tests")
    kind: str = Field(
        description="new_source, variable, faded, vanished, returned, moving or storm"
    )
    state: str = Field(description="retracted if this alert retracts its family, else active")
    stream: str
    transient_id: int | None
    source_id: int | None
    ra: float = Field(description="ICRS [deg]")
    dec: float = Field(description="ICRS [deg]")
    snr: float | None = Field(description="Peak over local rms")
    flux_peak_jy_beam: float | None = Field(description="[Jy/beam]")
    time_start: datetime = Field(description="Start of the exposure")
    time_alert: datetime = Field(description="When the alert was made")
    latency_s: float | None = Field(
        description="From the image's arrival on Kafka to the alert [s]"
    )


class DeliveryItem(Model):
    """One delivery of an alert to one subscriber."""

    channel: DeliveryChannelName = Field(description="How it was delivered")
    subscriber: str = Field(description="Name that the subscriber gives itself, or anonymous")
    time_handed: datetime = Field(description="When the alert was sent to it")
    time_acknowledged: datetime | None = Field(description="Null: not acknowledged")


class AlertDeliveries(Model):
    """The deliveries of an alert, in order of time."""

    ivorn: str
    items: list[DeliveryItem]
