"""Reports served on this machine."""
