"""Composition root of the alert service."""

from services.alert.app.service import main

__all__ = ["main"]
