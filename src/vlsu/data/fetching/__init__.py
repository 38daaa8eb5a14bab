"""Fetching the images of a dataset from their addresses."""
