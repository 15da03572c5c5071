"""The language in which an operator says which events become alerts."""
