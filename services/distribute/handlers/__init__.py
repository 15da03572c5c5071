"""Alerts and submissions in, packets and requests out, one file a protocol."""
