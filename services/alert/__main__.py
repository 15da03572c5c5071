"""Run the alert service: ``python -m services.alert``."""

from services.alert.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
