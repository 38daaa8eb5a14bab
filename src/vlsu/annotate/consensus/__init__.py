"""From several graders' answers to one: majority, soft labels, Dawid-Skene and MACE. Pure."""
