"""HTML, Markdown, LaTeX and JSON from runs."""
