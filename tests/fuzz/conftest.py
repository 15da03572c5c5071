"""What `make test` leaves to `make fuzz`."""

import os

# A stack of its own, and 500 images through it, take some minutes.
collect_ignore = [] if "FUZZ_STACK_MUTANTS" in os.environ else ["test_stack_mutants.py"]
