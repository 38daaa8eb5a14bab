"""Tests of vlsu."""

import os

# Tests run side by side: a second thread for a product of small matrices does little but wait, and
# that takes processor time. Set before NumPy is imported, and inherited by what tests start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Hundreds of processes are started: without bytecode each compiles the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
