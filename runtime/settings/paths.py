"""Relative paths: they mean one folder, whichever folder a process runs in."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from runtime.settings.section import OFF

__all__ = ["with_whole_paths"]


def with_whole_paths(
    model: type[BaseModel], values: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Return the values of a model, in which each relative path begins with a folder.

    Parameters
    ----------
    model : type
        Says by the types of its fields which values are paths, also in the models in it.
    values : mapping
        As a source of settings has them, not validated.
    folder : Path
        What relative paths mean; itself of the folder of this process, if it is relative.
    """
    fields = model.model_fields
    return {
        name: _place(fields[name].annotation, value, folder) if name in fields else value
        for name, value in values.items()
    }


def _place(annotation: object, value: Any, folder: Path) -> Any:
    """Return a value of a field with whole paths; what is no path stays as it is."""
    kinds = list(_kinds_in(annotation))
    if isinstance(value, str):
        is_path = Path in kinds and value not in {"", OFF}
        return str((folder / value).absolute()) if is_path else value
    if isinstance(value, Mapping):
        model = next((kind for kind in kinds if issubclass(kind, BaseModel)), None)
        return value if model is None else with_whole_paths(model, value, folder)
    if isinstance(value, list):
        return [_place(annotation, each, folder) for each in value]
    return value


def _kinds_in(annotation: object) -> Iterator[type]:
    """Give the classes that an annotation names, such as those of a union or of a tuple."""
    parts = get_args(annotation)
    if not parts and isinstance(annotation, type):
        yield annotation
    for each in parts:
        yield from _kinds_in(each)
