"""The program ``livetrap``: run one command and turn its outcome into an exit code."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; exit 0 when done, 2 for wrong usage or settings, 1 otherwise."""
    from livetrap.cli import run  # noqa: PLC0415  (children of the stack never need it)

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
