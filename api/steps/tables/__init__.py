"""Tables as CSV, VOTable and Parquet, written in pieces so that memory stays flat."""
