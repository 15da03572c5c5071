"""Steps of the extract service: from a message to the record of an image."""
