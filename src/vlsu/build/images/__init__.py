"""Real images for concepts: found, filtered before anything is stored, and taken down."""
