"""The metrics of the understanding task."""
