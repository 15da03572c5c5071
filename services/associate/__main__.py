"""Run the associate service: ``python -m services.associate``."""

from services.associate.app import main

if __name__ == "__main__":
    main()
