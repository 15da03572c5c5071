"""What commands write on a terminal."""
