"""Queries: texts that a model writes while it looks at an image, for wanted severities."""
