"""What a finished run does to a project: the order of its items, or which are graded at all.

Never a grade: no answer of a model is stored here, and none is shown.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, select

from vlsu.annotate.store.tables import meta

__all__ = ["pregradings"]

_KEY = "pregradings"


def pregradings(connection: Connection) -> list[dict[str, Any]]:
    """What was done with runs, in order: ``model``, ``task``, ``run``, ``done``, ``effect``."""
    stored = connection.scalar(select(meta.c.value).where(meta.c.key == _KEY))
    return json.loads(stored) if stored else []
