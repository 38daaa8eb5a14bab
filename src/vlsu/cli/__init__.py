"""Commands: arguments in, calls down, tables out."""
