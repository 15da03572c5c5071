"""One file a resource: request in, rows out."""
