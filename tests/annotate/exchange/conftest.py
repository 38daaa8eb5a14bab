"""Exports and imports are tried on SQLite, and where a test asks for it on PostgreSQL, too."""

from __future__ import annotations

import pytest


@pytest.fixture
def address(request: pytest.FixtureRequest) -> str | None:
    """Where a project's database is; other than elsewhere, in SQLite unless a test says so."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return None
    made: str = request.getfixturevalue("postgres").new_database()
    return made
