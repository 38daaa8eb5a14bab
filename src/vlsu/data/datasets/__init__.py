"""Dataset folders: opening, writing, checking, describing, sampling and exporting them."""
