"""Wire formats, in-process models, guards, baselines."""
