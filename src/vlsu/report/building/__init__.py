"""The page on how far a build is."""
