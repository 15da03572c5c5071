"""What the archive service decides."""
