"""Plan, execute, store, judge."""
