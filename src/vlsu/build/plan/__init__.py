"""How many samples of which cell are wanted, which stay short, and what is left: without I/O."""
