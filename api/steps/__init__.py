"""What the API computes and decides; no HTTP, no SQL."""
