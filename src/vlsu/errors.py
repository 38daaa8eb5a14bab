"""The errors of this package: one line each, naming the place, the value and the fix."""

from __future__ import annotations

__all__ = [
    "AnnotationError",
    "BuildError",
    "DataError",
    "MachineError",
    "MissingExtraError",
    "ModelError",
    "PolicyError",
    "RunError",
    "UsageError",
    "VlsuError",
]


class VlsuError(Exception):
    """Base of every error that a user can cause or fix; the message is one line, shown as it is."""


class UsageError(VlsuError):
    """A wrong argument: an unknown name, a value out of range, options that exclude each other."""


class PolicyError(VlsuError):
    """A policy, severity, category or pattern that is invalid."""


class DataError(VlsuError):
    """A dataset, an import source or an image that cannot be used."""


class ModelError(VlsuError):
    """A model that cannot be reached or set up: unknown spec, missing key, refused credentials."""


class AnnotationError(VlsuError):
    """An annotation project or its database that cannot be used, or a request it does not allow."""


class BuildError(VlsuError):
    """A build's folder that cannot be used, or a record that does not fit what it was made from."""


class MachineError(VlsuError):
    """A resource of this machine is exhausted: open files, memory, threads, ports, disk space."""


class RunError(VlsuError):
    """A run folder that cannot be used: locked, damaged, or made with other settings."""


class MissingExtraError(VlsuError):
    """A feature whose optional dependencies are not installed.

    Args:
        feature: The feature that is unavailable.
        extra: The extra of this package that provides it.
        without_dependencies: A package that must also be installed, with pip's ``--no-deps``.
    """

    def __init__(
        self, feature: str, extra: str, *, without_dependencies: str | None = None
    ) -> None:
        fix = f"pip install 'vlsu[{extra}]'"
        if without_dependencies is not None:
            fix += f" && pip install --no-deps {without_dependencies}"
        super().__init__(f"{feature} needs an extra: {fix}")
        self.extra = extra
