"""What is declared of a comparison before its results are looked at."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vlsu._arguments import require_kind
from vlsu.analysis.comparison.families import ComparedMetric, RunNames
from vlsu.errors import UsageError

__all__ = ["Declared"]

Pairs = Mapping[RunNames, Mapping[str, ComparedMetric]]


@dataclass(frozen=True, slots=True)
class Declared:
    """Which metrics decide, and how far apart runs may be to be called equivalent.

    Attributes:
        primary: Metrics that decide, by path; empty for those of the task.
        secondary: Metrics that are tested once all primary tests hold; empty for those of the task.
        margin: Runs are equivalent if they differ by less than this, in (0, 1); `None` to leave
            that open.
        corrected: Whether intervals that are held to the margin are corrected over the primary
            tests. Not where all of them must be within it for a conclusion: then each may be tested
            at the full level (Berger 1982).
    """

    primary: Sequence[str] = ()
    secondary: Sequence[str] = ()
    margin: float | None = None
    corrected: bool = True

    def __post_init__(self) -> None:
        for name, paths in (("primary", self.primary), ("secondary", self.secondary)):
            for path in paths:
                require_kind(name, path, str)
        if self.margin is None:
            return
        require_kind("margin", self.margin, float)
        if not 0 < self.margin < 1:
            raise UsageError(
                f"--margin {self.margin:g}: give a share above 0 and below 1, such as 0.02 or 2%"
            )

    def resolved(self, pairs: Pairs, default: Sequence[str], primaries: int = 1) -> Declared:
        """The same with the paths that the pairs have.

        A name that is none of them stands for all that are of that name, such as ``over_blocking``
        under every framing.

        Args:
            pairs: Names of two runs -> path -> what was found.
            default: The task's primary and then secondary metrics.
            primaries: How many of these are primary.

        Raises:
            UsageError: A name that was given is none of the metrics; the message lists near ones.
        """
        known = list(dict.fromkeys(path for metrics in pairs.values() for path in metrics))
        primary = _paths("--primary", self.primary, known) or list(default[:primaries])
        secondary = _paths("--secondary", self.secondary, known) or list(default)
        return Declared(
            primary,
            [path for path in secondary if path not in primary],
            self.margin,
            self.corrected,
        )

    def as_dict(self) -> dict[str, object]:
        """Plain Python, ready for JSON."""
        return {
            "primary": list(self.primary),
            "secondary": list(self.secondary),
            "margin": self.margin,
        }


def _paths(option: str, names: Iterable[str], known: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        of_name = [name] if name in known else [p for p in known if _last(p) == name]
        if not of_name:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            more = (
                f"; did you mean {' or '.join(near)}?"
                if near
                else f"; they are by {', '.join(known[:3])} and {len(known) - 3} more (see --json)"
                if len(known) > 3
                else f"; they are by {', '.join(known)}"
            )
            raise UsageError(f"{option} {name}: runs are not compared by it{more}")
        found += of_name
    return list(dict.fromkeys(found))


def _last(path: str) -> str:
    """What follows the framing of a path of alignment runs; other paths have no short name."""
    return path.split(".", 2)[2] if path.startswith("framings.") and path.count(".") > 1 else ""
