"""Metrics of a whole dataset estimated from a stratified sample of it."""
