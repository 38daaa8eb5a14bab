"""A run's figures in a deployment: traffic, projection, requirements."""
