"""The page of the Python functions that stand on their own: `sky` and the kernels."""

import pkgutil
from importlib import import_module
from pathlib import Path

import services
import sky

__all__ = ["python_page"]


def python_page() -> str:
    """Return the page: an ``automodule`` for each module.

    Returns
    -------
    str
        Markdown.
    """
    names = [found.name for found in pkgutil.walk_packages(sky.__path__, "sky.")]
    for service in pkgutil.iter_modules(services.__path__):
        path = Path(next(iter(services.__path__))) / service.name / "kernels"
        names += [
            f"services.{service.name}.kernels.{found.name}"
            for found in pkgutil.iter_modules([str(path)])
        ]
    return "\n".join(_module(name) for name in names)


def _module(name: str) -> str:
    import_module(name)  # a module that fails to import must end the build
    return f"## {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n```\n"
