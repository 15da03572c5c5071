"""Routes, one file a resource: request in, answer out."""
