"""The demo: a simulated sky, all services, and alerts in the terminal."""
