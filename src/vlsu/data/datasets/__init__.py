"""Dataset folders: opening, writing, checking and describing them."""
