"""Reason codes: why an image, a message or a position has no result; all of them are public."""

from enum import StrEnum

__all__ = ["ArchiveReason", "ForcedReason", "ImageReason", "MessageReason", "StampReason"]


class ImageReason(StrEnum):
    """Why an image was rejected: in the record's `reasons` and the dead letter's ``reason``."""

    # The file.
    NOT_FITS = "not_fits"
    TRUNCATED = "truncated"
    DAMAGED_FILE = "damaged_file"
    NO_IMAGE = "no_image"
    ZERO_SIZE = "zero_size"
    NOT_2D = "not_2d"
    BAD_HEADER = "bad_header"
    # The restoring beam.
    NO_BEAM = "no_beam"
    BAD_BEAM = "bad_beam"
    UNDERSAMPLED_BEAM = "undersampled_beam"
    OVERSAMPLED_BEAM = "oversampled_beam"
    # When, where, at what frequency, in which unit.
    NO_DATE = "no_date"
    BAD_DATE = "bad_date"
    NO_WCS = "no_wcs"
    NO_FREQUENCY = "no_frequency"
    BAD_FREQUENCY = "bad_frequency"
    BAD_STOKES = "bad_stokes"
    BAD_UNIT = "bad_unit"
    # The pixels.
    ALL_BLANK = "all_blank"
    FLAT = "flat"
    INFINITE_PIXELS = "infinite_pixels"
    DIVERGED = "diverged"
    NO_NOISE = "no_noise"
    TOO_MANY_SOURCES = "too_many_sources"
    # Quality control.
    RMS_TOO_LOW = "rms_too_low"
    RMS_TOO_HIGH = "rms_too_high"
    RMS_UNUSUAL = "rms_unusual"
    TOO_BLANK = "too_blank"
    ELONGATED_BEAM = "elongated_beam"
    NEAR_BRIGHT_SOURCE = "near_bright_source"
    # Against the running catalogue.
    ASTROMETRY_OFF = "astrometry_off"
    FLUX_SCALE_OFF = "flux_scale_off"
    # The message or the file as a whole.
    SPLIT_INTO_PLANES = "split_into_planes"
    TOO_LARGE = "too_large"
    UNREADABLE = "unreadable"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    # `livetrap extract --detection-image`.
    SHAPE_MISMATCH = "shape_mismatch"


class MessageReason(StrEnum):
    """Why a message of any topic became a dead letter, beside the reasons of an image."""

    BAD_AVRO = "bad_avro"
    BAD_RECORD = "bad_record"
    BAD_FLUX = "bad_flux"
    BAD_POSITION = "bad_position"
    BAD_TIME = "bad_time"
    INVALID_VOEVENT = "invalid_voevent"
    LARGE_VOEVENT = "large_voevent"
    UNKNOWN_ALERT = "unknown_alert"
    UNSTORABLE = "unstorable"
    INTERNAL_ERROR = "internal_error"
    KILLED_THE_PROCESS = "killed_the_process"
    LOST_BY_RETENTION = "lost_by_retention"


class ForcedReason(StrEnum):
    """Why a position has no forced flux, beside the reasons of its image."""

    OUTSIDE = "outside"
    BLANK = "blank"
    CONFUSED = "confused"
    IMAGE_GONE = "image_gone"
    IMAGE_ELSEWHERE = "image_elsewhere"
    NOT_KEPT = "not_kept"


class StampReason(StrEnum):
    """Why there is no stamp, beside the reasons of a position, of its image and of a message."""

    NO_EARLIER_IMAGE = "no_earlier_image"
    NOT_ANSWERED = "not_answered"
    EXPIRED = "expired"


class ArchiveReason(StrEnum):
    """Why the archive has no image, beside `image_gone`, `image_elsewhere` and a message's."""

    TOO_OLD = "too_old"
    NO_ROOM = "no_room"
