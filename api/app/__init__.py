"""Composition root of the API."""

from api.app.service import create_app, create_context, main

__all__ = ["create_app", "create_context", "main"]
