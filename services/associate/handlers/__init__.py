"""Messages of detections-v1 and forced-measurements-v1, and the outbox."""
