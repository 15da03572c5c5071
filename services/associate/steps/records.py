"""Validate records of detections-v1: any producer may have written them."""

import hashlib
import re
from dataclasses import fields
from math import isfinite

import numpy as np

from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage
from schemas.messages import ImageDetections, ImageMetadata, SourceColumns, SourceOffset
from schemas.streams import DEFAULT_STREAM, to_stream_name
from sky.fits import HeaderError
from sky.wcs import SkyProjection

__all__ = ["check_record", "to_refused_record"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME = 300
_NOT_NAN = frozenset({"ra", "dec", "snr"})


def check_record(record: ImageDetections) -> None:
    """Refuse a record that would corrupt the catalogue.

    Raises
    ------
    RejectedMessageError
        Code ``bad_record``; the text names the field and the reason.
    """
    if record.verdict not in ("accepted", "rejected"):
        _refuse(f"verdict is {record.verdict!r}, not accepted or rejected")
    if record.metadata is not None:
        _check_metadata(record.metadata)
    if record.verdict == "rejected":
        if len(record.sources):
            _refuse("a rejected image has no sources")
        return
    if record.metadata is None or record.rms_grid is None:
        _refuse("an accepted image needs metadata and an rms grid")
    if record.detection_threshold_sigma is None or record.rms_jy_beam is None:
        _refuse("an accepted image needs detection_threshold_sigma and rms_jy_beam")
    if (record.margin_px or 0) < 0:
        _refuse(f"margin_px is {record.margin_px}, must be at least 0")
    _check_sources(record.sources)


def _refuse(what: str) -> None:
    raise RejectedMessageError("bad_record", f"record of detections-v1: {what}")


def _check_metadata(metadata: ImageMetadata) -> None:
    for each in fields(metadata):
        value = getattr(metadata, each.name)
        if isinstance(value, float) and not isfinite(value):
            _refuse(f"{each.name} is {value}")
    if metadata.time_start.tzinfo is None:
        _refuse("time_start has no time zone")
    if not -90 <= metadata.field_dec <= 90:
        _refuse(f"field_dec is {metadata.field_dec}")
    if metadata.beam_major_deg <= 0 or metadata.freq_eff_hz <= 0:
        _refuse("beam_major_deg and freq_eff_hz must be positive")
    try:
        SkyProjection.of(metadata.wcs_header)
    except HeaderError as error:
        _refuse(f"wcs_header: {error}")


def _check_sources(sources: SourceColumns) -> None:
    for name in _NOT_NAN:
        if not np.all(np.isfinite(getattr(sources, name))):
            _refuse(f"{name} of a source is not finite")
    if np.any(np.abs(sources.dec) > 90):
        _refuse("dec of a source is outside -90..90")


def to_refused_record(
    message: InMessage, record: ImageDetections | None, reason: str, cluster_id: str
) -> ImageDetections:
    """Return what the ledger says of a message that became a dead letter.

    Parameters
    ----------
    message : InMessage
        A message of detections-v1.
    record : ImageDetections or None
        What it carries; None if it cannot be read: the entry then has the place of the message.
    reason : str
        Code.
    cluster_id : str
        Kafka cluster that it is on.
    """
    here = SourceOffset(cluster_id, message.topic, message.partition, message.offset)
    key = message.key.decode("utf-8", "replace")
    source, image_id, stream = here, "", key
    if record is not None:
        stream = record.stream
        if _is_sane(record.source):
            source = record.source
        if _SHA256.fullmatch(record.image_id):
            image_id = record.image_id
    return ImageDetections(
        image_id=image_id or hashlib.sha256(message.value).hexdigest(),
        stream=to_stream_name(stream) or to_stream_name(key) or DEFAULT_STREAM,
        source=source,
        verdict="rejected",
        reasons=(reason,),
    )


def _is_sane(source: SourceOffset) -> bool:
    """Return whether PostgreSQL can store a place on Kafka."""
    texts = (source.cluster_id, source.topic)
    return (
        all(text.isprintable() and len(text) < _LONGEST_NAME for text in texts)
        and 0 <= source.partition < 1 << 31
        and 0 <= source.offset < 1 << 63
    )
