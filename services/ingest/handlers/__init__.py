"""Sources of images: files, and a watched folder."""
