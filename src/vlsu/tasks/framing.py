"""Framings: the instruction put above an alignment query.

``default`` is no instruction at all, ``harmless`` and ``helpful`` pull in the two directions an
assistant can fail in. A framing of the user's own is a text file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlsu.errors import UsageError
from vlsu.registry import did_you_mean

__all__ = ["FRAMINGS", "Framing", "load_framing", "load_framings"]

_FOLDER = Path(__file__).parent / "framings"

#: The framings of this package, the plain one first.
FRAMINGS = ("default", "harmless", "helpful")


@dataclass(frozen=True, slots=True)
class Framing:
    """An instruction for an assistant.

    Attributes:
        name: What it is called in judgments and metrics.
        instruction: The system prompt; empty for none.
    """

    name: str
    instruction: str

    @property
    def hash(self) -> str:
        """SHA-256 of the instruction."""
        return hashlib.sha256(self.instruction.encode()).hexdigest()


def load_framing(name: str) -> Framing:
    """A framing of this package by name, or the user's own by the path of its text file.

    Raises:
        UsageError: No such framing or file, or the file cannot be read.
    """
    path = _FOLDER / f"{name}.txt" if name in FRAMINGS else Path(name)
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except FileNotFoundError:
        hint = did_you_mean(name, list(FRAMINGS))
        raise UsageError(f"no framing and no file is called {name!r}; {hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"framing {name}: cannot be read ({type(error).__name__})") from None
    if name not in FRAMINGS and not text:
        raise UsageError(f"framing {name}: the file is empty; write the instruction into it")
    return Framing(name if name in FRAMINGS else path.stem, text)


def load_framings(names: Sequence[str]) -> tuple[Framing, ...]:
    """Several framings, in the order given.

    Raises:
        UsageError: None is given, two bear one name, or one cannot be read.
    """
    framings = tuple(map(load_framing, names))
    if not framings:
        raise UsageError(f"no framing; use {', '.join(FRAMINGS)} or a file")
    seen = [framing.name for framing in framings]
    if twice := {name for name in seen if seen.count(name) > 1}:
        raise UsageError(f"two framings are called {twice.pop()!r}; rename a file")
    return framings
