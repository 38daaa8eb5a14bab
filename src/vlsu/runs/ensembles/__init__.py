"""Runs whose verdicts are combined from those of other runs."""
