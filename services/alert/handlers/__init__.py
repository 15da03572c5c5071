"""Topic ``transients-v1`` and the VTP port."""
