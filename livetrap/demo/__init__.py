"""A simulated sky, the whole service and its alerts in a terminal."""
