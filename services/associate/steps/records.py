"""Validate records of detections-v1: any producer may have written them."""

from dataclasses import fields
from math import isfinite

import numpy as np

from runtime.errors import RejectedMessageError
from schemas.messages import ImageDetections, ImageMetadata, SourceColumns
from sky.fits import HeaderError
from sky.wcs import SkyProjection

__all__ = ["check_record"]

_NOT_NAN = frozenset({"ra", "dec", "snr"})


def check_record(record: ImageDetections) -> None:
    """Refuse a record that would corrupt the catalogue.

    Raises
    ------
    RejectedMessageError
        Code ``bad_record``; the text says which field and why.
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
