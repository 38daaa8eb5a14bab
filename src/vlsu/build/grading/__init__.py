"""Pre-grading: which queries meet their cell, and what that choice does to the benchmark."""
