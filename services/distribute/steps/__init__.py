"""What the distribute service decides: documents of VTP, limits, refusals, valid submissions."""
