"""The database of a project: SQLite or PostgreSQL, one schema, one set of statements."""
