"""Arrays by the type of their elements, for annotations; shapes stand in docstrings."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["BoolArray", "FloatArray", "IntArray"]

IntArray = np.ndarray[Any, np.dtype[np.int64]]
FloatArray = np.ndarray[Any, np.dtype[np.float64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]
