"""Pure astronomy: no I/O, no framework."""
