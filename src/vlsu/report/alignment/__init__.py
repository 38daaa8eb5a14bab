"""What a report shows of an alignment run."""
