"""What the associator decides: which images belong together, and which measurements do."""
