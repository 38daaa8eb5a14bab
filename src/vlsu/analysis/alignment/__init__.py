"""The metrics of the alignment task, and judges held to human labels."""
