"""A whole installation on one machine: Kafka, PostgreSQL and the services, supervised."""

__all__: list[str] = []
