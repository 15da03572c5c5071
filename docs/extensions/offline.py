"""Fail a build whose pages would load something from another host."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.errors import ExtensionError

if TYPE_CHECKING:  # the test of this check does without the time that this import takes
    from sphinx.application import Sphinx

__all__ = ["find_external", "setup"]

_LOADED = re.compile(
    r"<(?:script|link|img|iframe|source|object)\b[^>]*?\b(?:src|href|data)=[\"'](https?:)?//[^\"']*"
)


def setup(app: "Sphinx") -> dict[str, bool]:
    """Register the check.

    Parameters
    ----------
    app : Sphinx
        The build.

    Returns
    -------
    dict
        That pages may be read in parallel.
    """
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def find_external(page: str) -> list[str]:
    """Return the tags of a page that load something from another host.

    Parameters
    ----------
    page : str
        HTML.

    Returns
    -------
    list of str
        The beginnings of the tags.
    """
    return [found[0] for found in _LOADED.finditer(page)]


def _check(app: "Sphinx", error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    for path in sorted(Path(app.outdir).rglob("*.html")):
        if external := find_external(path.read_text(encoding="utf-8")):
            raise ExtensionError(f"{path.name} loads from another host: {external[0]}")
