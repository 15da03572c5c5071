"""Topic ``transients-v1``."""
