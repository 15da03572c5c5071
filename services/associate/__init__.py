"""Detections to light curves: detections-v1 to the catalogue and transients-v1."""
