"""Rows of PostgreSQL."""
