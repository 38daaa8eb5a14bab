"""Several graders' verdicts on the same content, combined by a rule."""
