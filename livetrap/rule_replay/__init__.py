"""Rules applied to events of the past: which alerts they would have sent."""
