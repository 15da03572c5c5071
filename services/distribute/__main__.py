"""Run the distribute service: ``python -m services.distribute``."""

from services.distribute.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
