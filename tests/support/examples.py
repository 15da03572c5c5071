"""How many examples a property is tried on: all in the whole suite, a tenth all day long.

``pytest --hypothesis-profile=full`` is the whole number, which ``make test`` asks for. Both draw
the same examples in every run, so a failure in continuous integration is one of the commit.
``--hypothesis-profile=explore`` draws the whole number anew in every run: ``make fuzz`` does.
"""

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import settings

__all__ = ["every_fifth", "examples", "register_profiles", "some_of"]

T = TypeVar("T")

_WHOLE = 100


def register_profiles() -> None:
    """Make the profiles known; none measures time, which a busy machine would spoil."""
    settings.register_profile("explore", deadline=None, max_examples=_WHOLE)
    settings.register_profile("full", deadline=None, max_examples=_WHOLE, derandomize=True)
    settings.register_profile("quick", deadline=None, max_examples=_WHOLE // 10, derandomize=True)
    settings.load_profile("quick")


def examples(n_whole: int) -> int:
    """Return the number for ``@settings(max_examples=...)``; a whole run tries `n_whole`."""
    return max(1, n_whole * settings().max_examples // _WHOLE)


def every_fifth(cases: range) -> range:
    """Return the cases of a product that is tried out: all in a whole run, else some of them."""
    return cases if settings().max_examples == _WHOLE else cases[::5]


def some_of(cases: Sequence[T], *, first: int = 0) -> Sequence[T]:
    """Return all cases in a whole run, else every fifth from one of the first five on."""
    return cases if settings().max_examples == _WHOLE else cases[first % 5 :: 5]
