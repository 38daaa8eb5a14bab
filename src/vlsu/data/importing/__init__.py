"""From a source file to a dataset folder: images attached, duplicates and groups found."""
