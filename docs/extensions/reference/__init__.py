"""Write what pages of the site include, from code, schema and tutorials, before each build."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from data_model.pages import data_model_pages
from literate import is_tutorial, to_markdown
from reference.avro import avro_page
from reference.commands import commands_page
from reference.metrics import metrics_page
from reference.python import python_page
from reference.rest import rest_page
from reference.rules import rules_page
from reference.services import service_pages
from reference.settings import settings_page
from reference.topics import topics_page

if TYPE_CHECKING:  # tests of single pages do without the time that this import takes
    from sphinx.application import Sphinx

__all__ = ["setup", "write_pages"]

_PAGES: dict[str, Callable[[], str]] = {
    "avro": avro_page,
    "commands": commands_page,
    "metrics": metrics_page,
    "python": python_page,
    "rest": rest_page,
    "rules": rules_page,
    "settings": settings_page,
    "topics": topics_page,
}


def setup(app: "Sphinx") -> dict[str, bool]:
    """Register the writer.

    Parameters
    ----------
    app : Sphinx
        The build.

    Returns
    -------
    dict
        That pages may be read in parallel.
    """
    app.connect("config-inited", lambda app, _: write_pages(Path(app.srcdir) / "generated"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(folder: Path) -> None:
    """Write what pages include; a file that did not change is kept.

    Parameters
    ----------
    folder : Path
        Where to; it is made if it is missing.
    """
    folder.mkdir(exist_ok=True)
    texts = {f"{name}.md": make() for name, make in _PAGES.items()}
    texts |= data_model_pages()
    texts |= service_pages(folder.parents[1])
    for script in [path for path in (folder.parent / "tutorials").iterdir() if is_tutorial(path)]:
        texts[f"{script.stem}.md"] = to_markdown(script)
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
