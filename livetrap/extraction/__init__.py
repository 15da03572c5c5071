"""The one-shot source finder: files in, a source list out, no service needed."""
