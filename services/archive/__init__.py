"""The archive service: accepted images (detections-v1) to compressed files."""
