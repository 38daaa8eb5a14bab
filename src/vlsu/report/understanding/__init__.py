"""What a report shows of an understanding run."""
