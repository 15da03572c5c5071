"""The metrics page, from the metrics modules of the services."""

import pkgutil
from importlib import import_module
from types import ModuleType

from prometheus_client.metrics import MetricWrapperBase

import services
from reference.tables import code, table

__all__ = ["metrics_modules", "metrics_page"]


def metrics_modules() -> list[str]:
    """Return the names of the modules with metrics: one a process, and one for all workers."""
    names = [f"services.{found.name}" for found in pkgutil.iter_modules(services.__path__)]
    return [f"{name}.metrics" for name in [*sorted(names), "api", "runtime"]]


def metrics_page() -> str:
    """Return the page: a table of each process.

    Returns
    -------
    str
        Markdown.
    """
    parts: list[str] = []
    for name in metrics_modules():
        parts += [f"## {name.split('.')[-2]}\n", _table(import_module(name))]
    return "\n".join(parts)


def _table(module: ModuleType) -> str:
    metrics = [getattr(module, name) for name in module.__all__]
    rows = [_row(metric) for metric in metrics if isinstance(metric, MetricWrapperBase)]
    return table(["name", "type", "labels", "meaning"], sorted(rows))


def _row(metric: MetricWrapperBase) -> list[str]:
    (family,) = metric.describe()
    suffix = "_total" if family.type == "counter" else ""
    labels = ", ".join(code(label) for label in metric._labelnames)  # noqa: SLF001  (not public)
    return [code(family.name + suffix), family.type, labels, family.documentation]
