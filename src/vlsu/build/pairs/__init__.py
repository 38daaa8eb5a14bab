"""Minimal pairs: for a sample the nearest text or image that flips the joint grade."""
