"""Guard models as graders of content: what each family is asked, and how its output is parsed."""
