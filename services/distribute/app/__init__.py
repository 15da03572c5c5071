"""Composition root of the distribute service."""

from services.distribute.app.service import main

__all__ = ["main"]
