"""Alignment runs, human labels of their answers, and the validation of judges."""
