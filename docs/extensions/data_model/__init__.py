"""The data model: read from a migrated database, kept as JSON, drawn and tabulated."""
