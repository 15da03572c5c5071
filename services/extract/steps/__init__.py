"""What the extractor decides: is this an image, what is in it, and how well is it measured."""
