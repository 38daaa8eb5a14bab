"""The optional libraries: imported where they are used, and named where they are missing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from vlsu.errors import MissingExtraError, ModelError

__all__ = ["EXTRA", "library", "quiet", "require_extra", "require_package"]

EXTRA = "hf"


def library(name: str) -> Any:
    """A module of an optional library; it is not part of what is type-checked."""
    return import_module(name)


def require_extra(spec: str) -> None:
    """Check that torch and transformers are installed.

    Raises:
        MissingExtraError: One of them is not.
    """
    if find_spec("torch") is None or find_spec("transformers") is None:
        raise MissingExtraError(spec, EXTRA)


def require_package(option: str, package: str) -> None:
    """Check that the package that an option needs is installed.

    Raises:
        ModelError: It is not.
    """
    if find_spec(package) is None:
        raise ModelError(f"{option} needs a package: pip install {package}")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what transformers logs, and its progress bars, while a model is loaded."""
    log = library("transformers.utils.logging")
    before, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity(logging.CRITICAL)
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(before)
        if bars:
            log.enable_progress_bar()
