"""Migrations of a project's database, by alembic."""
