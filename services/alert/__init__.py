"""Source events to alerts: transients-v1 to table `alert` and the alert topics."""
