"""Writes that somebody asked for."""

from datetime import datetime
from typing import Any

from pydantic import Field

from api.models.base import Model

__all__ = ["AuditItem"]


class AuditItem(Model):
    """One write: who, when, what, and what was before."""

    id: int
    time_written: datetime
    actor: str = Field(description="Name of the token, or user of the command line")
    action: str = Field(description="insert, update, delete, retract or redrive")
    object: str = Field(description="Table of the row, or kind of the object")
    object_id: str = Field(description="Key of the row or object")
    row_before: dict[str, Any] | None = Field(description="Row before; null for an insert")
    row_after: dict[str, Any] | None = Field(description="Row after; null for a delete")
