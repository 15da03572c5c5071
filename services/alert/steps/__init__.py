"""What the alert service decides and what its alerts say."""
