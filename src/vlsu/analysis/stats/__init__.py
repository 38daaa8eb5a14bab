"""Statistics that know nothing of safety: intervals, tests, kappa, F1, power."""
