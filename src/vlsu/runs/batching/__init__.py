"""Asking by batches: what of a plan is not stored, handed in together and collected later."""
