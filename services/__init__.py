"""Stream processors; they meet only on Kafka."""
