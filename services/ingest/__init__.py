"""The ingest service: FITS files and directories to the topic images-v1."""
