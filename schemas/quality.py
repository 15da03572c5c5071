"""Quality flags of a measurement: the bits of `quality_flags`."""

from enum import IntFlag
from functools import lru_cache

__all__ = ["QualityFlag", "names_of"]


class QualityFlag(IntFlag):
    """Bits of `quality_flags`; docs/glossary.md explains them."""

    EDGE = 1
    BLENDED = 2
    BLANK_PIXELS = 4
    FIT_FAILED = 8
    EXTENDED = 16
    NEAR_BRIGHT = 32
    NEAR_KNOWN = 64
    SOLAR_SYSTEM = 128
    NEGATIVE = 256
    POOR_FIT = 512
    SIDE_LOBE = 1024


def names_of(quality_flags: int) -> list[str]:
    """Return the names of the bits that are set, such as ``near_bright``."""
    return list(_names_of(quality_flags))


@lru_cache(maxsize=1024)
def _names_of(quality_flags: int) -> tuple[str, ...]:
    return tuple(flag.name.lower() for flag in QualityFlag if flag.name and quality_flags & flag)
