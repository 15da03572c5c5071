"""Try rules on events of the past: what they would have sent."""
