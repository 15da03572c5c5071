"""What the associator does with a record: detections, or the answer to a forced request."""
