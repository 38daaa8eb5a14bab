"""The store of raw responses, and what can be saved of a damaged one."""
