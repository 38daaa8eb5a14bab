"""All stages in turn, until cells are full or a bound is reached."""
