"""The grading app: people grade image, text and pair of each sample, and are looked after.

`vlsu.annotate.projects` makes and opens a project, and `vlsu.annotate.projects.project.Project` is
what a web layer, a command or a notebook talks to. ``docs/annotate-design.md`` has the design.
"""
