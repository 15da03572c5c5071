"""An alert before and after it is stored, and the context of its event."""

from services.alert.models.alerts import (
    AlertHistory,
    Decision,
    KnownNames,
    LowWatermark,
    NewAlert,
    StoredAlert,
)
from services.alert.models.context import (
    NO_CONTEXT,
    BandFlux,
    CatalogueMatch,
    ContextRows,
    EventContext,
    FalseAlarmCounts,
    FirstAlert,
    History,
    LookedImage,
    NegativeRate,
    Point,
    SourceTotals,
    SpectralIndex,
    Timestep,
)

__all__ = [
    "NO_CONTEXT",
    "AlertHistory",
    "BandFlux",
    "CatalogueMatch",
    "ContextRows",
    "Decision",
    "EventContext",
    "FalseAlarmCounts",
    "FirstAlert",
    "History",
    "KnownNames",
    "LookedImage",
    "LowWatermark",
    "NegativeRate",
    "NewAlert",
    "Point",
    "SourceTotals",
    "SpectralIndex",
    "StoredAlert",
    "Timestep",
]
