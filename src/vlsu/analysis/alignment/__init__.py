"""The metrics of the alignment task, and judges compared with human labels."""
