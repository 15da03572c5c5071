"""The distribute service, which waits a minute for the introduction of a subscriber."""

from services.distribute.app.service import main
from services.distribute.handlers import subscriber

__all__: list[str] = []

if __name__ == "__main__":
    subscriber._INTRODUCTION_S = 60.0
    main()
