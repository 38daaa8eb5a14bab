"""What every part of an opened project has: plan, policy, database and clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from vlsu.annotate.plan.settings import Plan
from vlsu.annotate.store.database import Database
from vlsu.policy import Policy

__all__ = ["Opened"]

T = TypeVar("T")


class Opened:
    """The base of the parts of `vlsu.annotate.projects.project.Project`."""

    plan: Plan
    policy: Policy
    database: Database
    clock: Callable[[], int]

    def write(self, work: Callable[[Connection, int], T]) -> T:
        """One transaction, which knows the time."""
        return self.database.write(lambda connection: work(connection, self.clock()))
