"""The third stage: texts, written while looking at the image."""
