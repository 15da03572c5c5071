"""The extract service: images (images-v1) to measured sources (detections-v1)."""
