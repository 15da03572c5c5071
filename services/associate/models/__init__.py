"""What the associator computes with: timesteps, rows of the catalogue, decisions."""
