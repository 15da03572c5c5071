"""Events as JSON for the database; NaN becomes null."""

from dataclasses import fields
from datetime import datetime
from typing import Any

import orjson

from schemas.messages import SourceEvent, StageTimes

__all__ = ["event_from_json", "event_to_json"]

_NUMBERS = frozenset(each.name for each in fields(SourceEvent) if each.type is float)


def event_to_json(event: SourceEvent) -> str:
    """Return the event as a JSON object; NaN and infinities become null."""
    return orjson.dumps(event, option=orjson.OPT_UTC_Z).decode()


def event_from_json(text: str) -> SourceEvent:
    """Return the event that `event_to_json` wrote; null numbers become NaN."""
    record: dict[str, Any] = orjson.loads(text)
    for name in _NUMBERS:
        record[name] = float("nan") if record[name] is None else float(record[name])
    times = {name: time and datetime.fromisoformat(time) for name, time in record["times"].items()}
    record["time_start"] = datetime.fromisoformat(record["time_start"])
    if record.get("time_previous") is not None:
        record["time_previous"] = datetime.fromisoformat(record["time_previous"])
    if record.get("time_limit_previous") is not None:
        record["time_limit_previous"] = datetime.fromisoformat(record["time_limit_previous"])
    earlier = tuple(record.get("earlier_trig_ids", ()))
    return SourceEvent(**(record | {"times": StageTimes(**times), "earlier_trig_ids": earlier}))
