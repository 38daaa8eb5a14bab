"""Servers that play batch interfaces, and images for requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.batch_services import BatchServer, batch_servers


@pytest.fixture
def batch_server() -> Iterator[Callable[[BatchServer], BatchServer]]:
    """Starts servers, each on a free port, and stops them after the test."""
    with batch_servers() as start:
        yield start
