"""Run the extract service: ``python -m services.extract``."""

from services.extract.app import main

if __name__ == "__main__":
    main()
