"""Which guard, at which threshold: false flags against recall of several guards, paired."""
