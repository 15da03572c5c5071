"""Images to measured sources: images-v1 to detections-v1."""
