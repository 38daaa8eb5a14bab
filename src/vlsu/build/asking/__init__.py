"""Asking the models that write, through a build's own store of responses."""
