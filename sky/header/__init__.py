"""What FITS cards mean: each quantity is read as the standard says, or refused by name."""
