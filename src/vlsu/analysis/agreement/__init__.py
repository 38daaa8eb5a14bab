"""Agreement between graders, and the human oracle."""
