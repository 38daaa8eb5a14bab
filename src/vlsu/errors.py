"""What can go wrong, said in one line that names the place, the value and the mend."""

from __future__ import annotations

__all__ = [
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
    """Base of every error a user can cause or mend; its text is one line, printed as it is."""


class UsageError(VlsuError):
    """A wrong argument: an unknown name, a value out of range, options that exclude each other."""


class PolicyError(VlsuError):
    """A policy, a severity, a category or a pattern that cannot be read."""


class DataError(VlsuError):
    """A dataset, an import source or an image that cannot be used as it is."""


class ModelError(VlsuError):
    """A model that cannot be reached or set up: unknown spec, absent key, refused credentials."""


class MachineError(VlsuError):
    """This machine lacks what anything would need: open files, memory, ports, room on a disk."""


class RunError(VlsuError):
    """A run folder that cannot be used: locked, damaged, or made with other settings."""


class MissingExtraError(VlsuError):
    """A feature whose optional dependencies are not installed.

    Args:
        feature: What cannot be used.
        extra: The extra of this package that brings them.
        without_dependencies: A package that must be installed besides, without its dependencies.
    """

    def __init__(
        self, feature: str, extra: str, *, without_dependencies: str | None = None
    ) -> None:
        mend = f"pip install 'vlsu[{extra}]'"
        if without_dependencies is not None:
            mend += f" && pip install --no-deps {without_dependencies}"
        super().__init__(f"{feature} needs an extra: {mend}")
        self.extra = extra
