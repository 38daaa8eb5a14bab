"""The fourth stage: a model grades image, text and pair before people do."""
