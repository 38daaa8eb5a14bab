"""Building a benchmark: the plan, the rails, and the folder in which the stages leave their work.

The rooms are `plan` and `rails`, values without I/O, and `folder`, which keeps them.
"""
