"""A build's folder: its settings, the records of its stages, and how far it is."""
