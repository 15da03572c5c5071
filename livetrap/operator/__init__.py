"""What an operator does: status, streams, alerts, dead letters, catalogues, settings."""
