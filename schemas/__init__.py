"""What crosses a process border: Avro schemas, SQL migrations, messages, topics."""
