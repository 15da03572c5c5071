"""The commands of `livetrap`, by subject; each imports what it needs only when it runs."""

__all__: list[str] = []
