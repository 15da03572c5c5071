"""What the models of all resources share."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Cone", "Model", "Page"]

Item = TypeVar("Item")


class Model(BaseModel):
    """A frozen body whose infinite or undefined numbers are null in JSON."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")


class Page(Model, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next: str | None = Field(description="Cursor of the next page; null on the last")


@dataclass(frozen=True, slots=True)
class Cone:
    """A circle on the sky.

    Parameters
    ----------
    ra, dec : float
        Centre, ICRS [deg].
    radius_deg : float
        Radius [deg].
    """

    ra: float
    dec: float
    radius_deg: float
