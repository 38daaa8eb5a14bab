"""Where images come from: folders, datasets, and services over HTTP."""
