"""Kafka messages in and out: images to records, requests to forced measurements."""
