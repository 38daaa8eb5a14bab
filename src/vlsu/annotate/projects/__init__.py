"""Project folders: made, opened, and what of them is shown."""
