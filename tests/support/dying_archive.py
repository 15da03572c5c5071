"""The archive service, killed by itself: ``python -m tests.support.dying_archive STEP``."""

import sys

from runtime.image_store import ImageStore
from services.archive.app import main
from services.archive.storage import ArchivedImages
from tests.support.dying import die_before

__all__ = ["STEPS"]

STEPS = {
    "before the file is written": lambda: die_before(ImageStore, "put"),
    "between the file and its row": lambda: die_before(ArchivedImages, "add"),
    "between the deletion and its row": lambda: die_before(ArchivedImages, "mark_gone"),
}

if __name__ == "__main__":
    STEPS[sys.argv[1]]()
    main()
