"""What every process needs: settings, Kafka, PostgreSQL, logs, metrics, errors."""
