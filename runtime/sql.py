"""SQL statements, one a file beside the code that runs them."""

from functools import lru_cache
from importlib.resources import files

__all__ = ["load_query"]


@lru_cache(maxsize=256)
def load_query(package: str, name: str) -> str:
    """Return the text of ``<package>/queries/<name>.sql``.

    Parameters
    ----------
    package : str
        Import name of the service, such as ``services.associate``.
    name : str
        File name without its ending, ``verb_noun``.

    Returns
    -------
    str
        The statement.
    """
    return (files(package) / "queries" / f"{name}.sql").read_text(encoding="utf-8")
