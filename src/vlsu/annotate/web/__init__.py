"""The server of the grading app: pages for graders, adjudicators and leads, and the JSON below."""
