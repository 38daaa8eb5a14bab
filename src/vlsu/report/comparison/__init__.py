"""What a report shows of several runs."""
