"""What gives a sample's grade away: shortcuts and named groups, by cell."""
