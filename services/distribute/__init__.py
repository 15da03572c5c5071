"""Alerts from Kafka to everybody who subscribed; VOEvents of other authors to VTP subscribers."""
