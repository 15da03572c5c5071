"""Events to alerts: transients-v1 to VOEvents on Kafka and VTP."""
