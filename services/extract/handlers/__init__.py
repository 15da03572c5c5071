"""What the extractor does with a message: an image, or positions to measure in one."""
