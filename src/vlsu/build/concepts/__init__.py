"""The first stage: what pictures could show, for each category and severity of the image."""
