"""The command line and the one-machine stack: Kafka, PostgreSQL and all services."""

__all__: list[str] = []
