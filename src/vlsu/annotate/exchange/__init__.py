"""Grades in and out: datasets, long CSV, Label Studio, runs as pre-graders."""
