"""The catalogue in PostgreSQL."""

from services.associate.storage.catalogue import Catalogue
from services.associate.storage.store import CatalogueStore

__all__ = ["Catalogue", "CatalogueStore"]
