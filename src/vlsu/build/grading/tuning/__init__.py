"""The race of a pre-grader's prompts on graded data."""
