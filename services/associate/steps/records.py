"""Validate records of detections-v1: any producer may have written them."""

import hashlib
import re
from dataclasses import fields
from math import isfinite
from typing import NoReturn

import numpy as np

from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage
from schemas.messages import (
    ImageDetections,
    ImageMetadata,
    NegativePeaks,
    SourceColumns,
    SourceOffset,
)
from schemas.streams import DEFAULT_STREAM, to_stream_name
from sky.fits import HeaderError
from sky.geometry import to_unit_vectors
from sky.wcs import SkyProjection

__all__ = ["check_record", "to_refused_record"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME = 300
# Sums of squares, and of weights 1/err^2, stay finite within these; 1e-45 is the least float32.
_LARGEST = 1e15
_LEAST_ERR = 1e-45
# When a record's image may have been taken; whether that is plausible, the extractor decides.
_FIRST_YEAR, _LAST_YEAR = 1930, 2200
_LONGEST_EXPOSURE_S = 1e8
# The longest waves that telescopes in space receive; dispersion delays them for years.
_LEAST_FREQ_HZ, _LARGEST_FREQ_HZ = 1e5, 1e20
_LARGEST_SIDE_PX = 1 << 20
_WHOLE_CIRCLE_DEG = 360.0
_NOT_NAN = frozenset({"ra", "dec", "snr", "p_false"})
# Right ascension is taken modulo 360: a producer may count from -180, or beyond 360.
_LEAST_RA_DEG, _LARGEST_RA_DEG = -360.0, 720.0
# A position that a fit could not constrain: it is stored, and matches nothing.
_MAY_BE_INFINITE = ("ra_err_deg", "dec_err_deg")
# Sources in a cube of the side of a round beam; an elongated one has room for more.
_MOST_IN_A_BEAM, _LARGEST_ELONGATION = 50, 20.0
_LEAST_SIDE_RAD = 1e-9
# S/N of negative peaks in a record.
_MOST_NEGATIVE = 32
_FACTOR = 1_000_003
_LIMITS = {
    "ra": (_LEAST_RA_DEG, _LARGEST_RA_DEG),
    "dec": (-90.0, 90.0),
    "quality_flags": (0, (1 << 31) - 1),
    "p_false": (0.0, 1.0),
}


def check_record(record: ImageDetections) -> None:
    """Refuse a record that would corrupt the catalogue.

    Raises
    ------
    RejectedMessageError
        Code ``bad_record``; the text names the field and the reason.
    """
    if record.verdict not in ("accepted", "rejected"):
        _refuse(f"verdict is {record.verdict!r}, not accepted or rejected")
    _check_identity(record)
    if record.metadata is not None:
        _check_metadata(record.metadata)
    if record.verdict == "rejected":
        if len(record.sources):
            _refuse("a rejected image has no sources")
        return
    _check_measurement(record)
    _check_sources(record.sources)
    _check_density(record)


def _check_identity(record: ImageDetections) -> None:
    if to_stream_name(record.stream) != record.stream:
        _refuse(f"stream {record.stream[:80]!r} is no name of a stream")
    if not _SHA256.fullmatch(record.image_id):
        _refuse(f"image_id {record.image_id[:80]!r} is no sha256")
    if not _is_sane(record.source):
        _refuse("source is no place on Kafka")
    if not all(each.isprintable() and len(each) < _LONGEST_NAME for each in record.reasons):
        _refuse("a code of reasons has unprintable characters, or too many")


def _check_measurement(record: ImageDetections) -> None:
    """Check what an accepted image has beside its sources."""
    grid = record.rms_grid
    if record.metadata is None or grid is None:
        _refuse("an accepted image needs metadata and an rms grid")
    if record.detection_threshold_sigma is None or record.rms_jy_beam is None:
        _refuse("an accepted image needs detection_threshold_sigma and rms_jy_beam")
    for name in ("detection_threshold_sigma", "rms_jy_beam"):
        if not 0 < getattr(record, name) <= _LARGEST:
            _refuse(f"{name} is {getattr(record, name)}, must be positive")
    if (record.margin_px or 0) < 0:
        _refuse(f"margin_px is {record.margin_px}, must be at least 0")
    if record.negative_peaks is not None:
        _check_negative_peaks(record.negative_peaks)
    if grid.cell_px < 1 or not grid.rms_jy_beam.size:
        _refuse(f"the rms grid has cells of {grid.cell_px} px, {grid.rms_jy_beam.size} of them")
    if np.any((grid.rms_jy_beam < 0) | (grid.rms_jy_beam > _LARGEST)):
        _refuse("an rms of the grid is negative or infinite")


def _check_negative_peaks(found: NegativePeaks) -> None:
    if len(found.snr) > min(found.n_peaks, _MOST_NEGATIVE):
        _refuse(f"{len(found.snr)} S/N of {found.n_peaks} negative peaks")
    if not all(0 < each <= _LARGEST for each in found.snr):
        _refuse("the S/N of a negative peak is not positive")
    if not 0 <= found.searched_deg2 <= _LARGEST:
        _refuse(f"searched_deg2 is {found.searched_deg2}")


def _refuse(what: str) -> NoReturn:
    raise RejectedMessageError("bad_record", f"record of detections-v1: {what}")


def _check_metadata(metadata: ImageMetadata) -> None:
    for each in fields(metadata):
        value = getattr(metadata, each.name)
        if isinstance(value, float) and not isfinite(value):
            _refuse(f"{each.name} is {value}")
    if metadata.time_start.tzinfo is None:
        _refuse("time_start has no time zone")
    # Not in UTC: that may lead out of the years of a calendar.
    if not _FIRST_YEAR <= metadata.time_start.year <= _LAST_YEAR:
        _refuse(f"time_start is {metadata.time_start}")
    if not 0 <= metadata.exposure_s <= _LONGEST_EXPOSURE_S:
        _refuse(f"exposure_s is {metadata.exposure_s}")
    if not _LEAST_FREQ_HZ <= metadata.freq_eff_hz <= _LARGEST_FREQ_HZ:
        _refuse(f"freq_eff_hz is {metadata.freq_eff_hz}")
    if not 0 <= metadata.freq_bw_hz <= _LARGEST_FREQ_HZ:
        _refuse(f"freq_bw_hz is {metadata.freq_bw_hz}")
    if not 0 < metadata.beam_minor_deg <= metadata.beam_major_deg <= _WHOLE_CIRCLE_DEG:
        _refuse("beam_minor_deg must be positive, beam_major_deg at least as large")
    _check_field(metadata)
    _check_texts(metadata)


def _check_field(metadata: ImageMetadata) -> None:
    """Check where an image is, and how large."""
    is_ra = _LEAST_RA_DEG <= metadata.field_ra <= _LARGEST_RA_DEG
    if not is_ra or not -90 <= metadata.field_dec <= 90:
        _refuse(f"field_ra, field_dec are {metadata.field_ra}, {metadata.field_dec}")
    if not 0 <= metadata.field_radius_deg <= _WHOLE_CIRCLE_DEG / 2:
        _refuse(f"field_radius_deg is {metadata.field_radius_deg}")
    for name in ("width_px", "height_px"):
        if not 0 < getattr(metadata, name) <= _LARGEST_SIDE_PX:
            _refuse(f"{name} is {getattr(metadata, name)}")
    try:
        SkyProjection.of(metadata.wcs_header)
    except HeaderError as error:
        _refuse(f"wcs_header: {error}")


def _check_texts(metadata: ImageMetadata) -> None:
    for name in ("stokes", "telescope"):
        text = getattr(metadata, name) or ""
        if not text.isprintable() or len(text) >= _LONGEST_NAME:
            _refuse(f"{name} {text[:80]!r} has unprintable characters, or too many")


def _check_sources(sources: SourceColumns) -> None:
    """Check the columns; NaN is what was not measured, except where there must be a number."""
    for each in fields(sources):
        name, column = each.name, getattr(sources, each.name)
        if name in _NOT_NAN and np.any(np.isnan(column)):
            _refuse(f"{name} of a source is not a number")
        if name in _MAY_BE_INFINITE:
            column = column[column != np.inf]
        lowest, highest = _LIMITS.get(name, (-_LARGEST, _LARGEST))
        if np.any((column < lowest) | (column > highest)):
            _refuse(f"{name} of a source is outside {lowest:g}..{highest:g}")
        if "_err_" in name and np.any((column < _LEAST_ERR) & (column != 0)):
            _refuse(f"{name} of a source is negative or impossibly small")


def _check_density(record: ImageDetections) -> None:
    """Refuse more sources in a beam than an image can separate.

    Each would become a source of its own at one place, and all images after it would be matched
    with all of them.
    """
    metadata, sources = record.metadata, record.sources
    if metadata is None or len(sources) <= _MOST_IN_A_BEAM:
        return
    elongation = min(metadata.beam_major_deg / metadata.beam_minor_deg, _LARGEST_ELONGATION)
    limit = _MOST_IN_A_BEAM * elongation
    side = max(float(np.radians(metadata.beam_major_deg)), _LEAST_SIDE_RAD)
    x, y, z = np.floor(to_unit_vectors(sources.ra, sources.dec) / side).astype(np.int64)
    # Cells of different numbers may share a key; that they are full, too, is all but impossible.
    _, first, n = np.unique((x * _FACTOR + y) * _FACTOR + z, return_index=True, return_counts=True)
    fullest = int(np.argmax(n))
    if n[fullest] > limit:
        here = first[fullest]
        _refuse(
            f"{n[fullest]} sources within a beam of RA {sources.ra[here]:.4f}, "
            f"Dec {sources.dec[here]:.4f}; an image separates at most {limit:.0f}"
        )


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
