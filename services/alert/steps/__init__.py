"""Decisions of the alert service, and the content of its alerts."""
