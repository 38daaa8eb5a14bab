"""The second stage: real images for the concepts."""
