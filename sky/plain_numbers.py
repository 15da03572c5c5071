"""Numbers as people and other programs write them."""

__all__ = ["parse_number"]


def parse_number(text: str) -> float:
    """Return a number; one that only Python reads as such is none: ``1_0``, Arabic digits.

    Parameters
    ----------
    text : str
        Decimal, with an exponent or not; ``inf`` and ``nan``, too.

    Raises
    ------
    ValueError
        If it is none.
    """
    if "_" in text or not text.isascii():
        raise ValueError(f"{text[:40]!r} is no number")
    return float(text)
