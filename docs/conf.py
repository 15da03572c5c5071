"""Sphinx configuration of the documentation site; `make docs` builds it without a network."""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

# Kernels are documented as the Python functions they are compiled from.
os.environ["NUMBA_DISABLE_JIT"] = "1"
_DOCS = Path(__file__).parent
sys.path[:0] = [str(_DOCS.parent), str(_DOCS / "extensions")]

_ICON = "static/icon.svg"
project = "LiveTrap"
author = "The LiveTrap developers"
project_copyright = author
version = release = installed_version("livetrap")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_design",
    "sphinx_copybutton",
    "mathml",
    "offline",
    "reference",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["build", "extensions", "generated", "tutorials/output"]
templates_path: list[str] = []

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "attrs_inline"]
myst_heading_anchors = 4

numpydoc_show_class_members = False
autosummary_generate = False  # numpydoc loads it; the modules are listed by hand
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc states them, with shape, dtype and unit

html_theme = "pydata_sphinx_theme"
html_title = "LiveTrap"
html_static_path = ["static"]
html_css_files = ["livetrap.css"]
html_favicon = _ICON
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {
        "text": "LiveTrap",
        "image_light": "static/icon.svg",
        "image_dark": "static/icon.svg",
    },
    "navbar_end": ["theme-switcher"],
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
