"""The topics page, from `schemas.topics`."""

import inspect

from reference.tables import code, table
from schemas.topics import Topics

__all__ = ["topics_page"]


def topics_page() -> str:
    """Return the page: every topic with its key and value.

    Returns
    -------
    str
        Markdown.
    """
    topics = Topics()
    described = {
        getattr(topics, name): inspect.getdoc(member) or ""
        for name, member in inspect.getmembers(Topics, lambda each: isinstance(each, property))
    }
    rows = [[code(name), described[name]] for name in topics.all()]
    return table(["topic", "value and key"], rows)
