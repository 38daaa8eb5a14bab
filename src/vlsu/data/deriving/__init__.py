"""Datasets made of others: samples, parts, filtered and merged ones; and how two differ."""
