"""Benchmarks of vlsu, each one command; see README.md."""
