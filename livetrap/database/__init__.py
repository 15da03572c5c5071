"""A connection to the database, and its schema."""
