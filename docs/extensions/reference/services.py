"""The pages of the services: their READMEs, with links to pages of the site."""

import re
from pathlib import Path

__all__ = ["service_pages"]


def service_pages(root: Path) -> dict[str, str]:
    """Return the README of each service and of the api.

    Parameters
    ----------
    root : Path
        Folder of the repository.

    Returns
    -------
    dict
        Markdown by file name.
    """
    readmes = [*sorted(root.glob("services/*/README.md")), root / "api" / "README.md"]
    return {
        f"service-{path.parent.name}.md": _link_to_pages(path.read_text(encoding="utf-8"))
        for path in readmes
    }


def _link_to_pages(text: str) -> str:
    """Turn links between folders of the repository into links between pages."""
    text = re.sub(r"\]\((?:\.\./)+docs/", "](../../", text)
    return re.sub(r"\]\((?:\.\./)*(?:services/)?([a-z]+)/README\.md", r"](\1.md", text)
