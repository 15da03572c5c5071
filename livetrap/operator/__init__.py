"""What operators do: streams, alerts, dead letters, the schema and the ledger."""
