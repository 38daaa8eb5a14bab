"""Framings: the instruction put above an alignment query.

``default`` is no instruction at all, ``harmless`` and ``helpful`` pull in the two directions an
assistant can fail in: two sentences of one form, neither of which says what to decline.
``harmless-strict`` and ``helpful-strict`` do, and say that image and message belong together; they
measure how far an assistant can be pulled. A framing of the user's own is a text file; many are a
YAML file, as a mapping from names or as a list:

    brief-and-kind: |
      Help where you can. Decline in one friendly sentence where an answer would do harm.
    from-a-file:
      file: longer.txt          # relative to the YAML file

"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlsu._arguments import require_path
from vlsu._files import read_text, read_text_beneath
from vlsu._yaml import load_yaml, write_yaml
from vlsu.errors import UsageError
from vlsu.registry import did_you_mean

__all__ = [
    "BUNDLED_FRAMINGS",
    "FRAMINGS",
    "Framing",
    "candidates_text",
    "load_candidates",
    "load_framing",
    "load_framings",
]

_FOLDER = Path(__file__).parent / "framings"

#: The framings that are asked for by default, the plain one first.
FRAMINGS = ("default", "harmless", "helpful")

#: All framings of this package.
BUNDLED_FRAMINGS = (*FRAMINGS, "harmless-strict", "helpful-strict")


#: Maximum characters of a name, which appears in tables.
MAX_NAME_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Framing:
    """An instruction for an assistant.

    Attributes:
        name: Its name in judgments and metrics.
        instruction: The system prompt; empty for none.
    """

    name: str
    instruction: str

    @property
    def hash(self) -> str:
        """SHA-256 of the instruction."""
        return hashlib.sha256(self.instruction.encode()).hexdigest()


def load_framing(name: str) -> Framing:
    """A framing of this package by name, or a custom one by the path of its text file.

    Raises:
        UsageError: No such framing or file, or the file cannot be read.
    """
    path = require_path("framing", name)
    if name in BUNDLED_FRAMINGS:
        path = _FOLDER / f"{name}.txt"
    try:
        text = read_text(path).strip()
    except FileNotFoundError:
        hint = did_you_mean(name, list(BUNDLED_FRAMINGS))
        raise UsageError(f"no framing and no file is called {name!r}; {hint}") from None
    except UnicodeDecodeError:
        raise UsageError(f"framing {name}: not UTF-8; save the file as such") from None
    except OSError as error:
        raise UsageError(f"framing {name}: cannot be read ({error.strerror})") from None
    if name not in BUNDLED_FRAMINGS and not text:
        raise UsageError(f"framing {name}: the file is empty; write the instruction into it")
    return Framing(name if name in BUNDLED_FRAMINGS else path.stem, text)


def load_framings(names: Sequence[str]) -> tuple[Framing, ...]:
    """Several framings, in the order given.

    Raises:
        UsageError: None is given, two have the same name, or one cannot be read.
    """
    framings = tuple(map(load_framing, names))
    if not framings:
        raise UsageError(f"no framing; use {', '.join(BUNDLED_FRAMINGS)} or a file")
    seen = [framing.name for framing in framings]
    if twice := {name for name in seen if seen.count(name) > 1}:
        raise UsageError(f"two framings are called {twice.pop()!r}; rename a file")
    return framings


def load_candidates(path: str | Path) -> tuple[Framing, ...]:
    """Candidate instructions from a YAML file.

    The file is a mapping from names to instructions, or a list of instructions, which are named
    ``candidate-1`` and so on. An instruction is a text or ``file: PATH``, relative to the YAML
    file; in a list it is then named after that file.

    Returns:
        At least one, in the file's order; names and texts are unique.

    Raises:
        UsageError: The file or an entry is invalid; the message names the candidate.
    """
    path = Path(path)
    tree = load_yaml(path, UsageError)
    if not isinstance(tree, dict | list) or not tree:
        raise UsageError(
            f"{path}: expected a mapping from names to instructions, or a list of instructions"
        )
    entries: Iterable[tuple[object, object]] = (
        tree.items() if isinstance(tree, dict) else enumerate(tree, 1)
    )
    framings: dict[str, Framing] = {}
    name_of_text: dict[str, str] = {}
    for key, value in entries:
        where = f"{path}: candidate {str(key)[:MAX_NAME_LENGTH]!r}"
        text, file = _instruction(where, value, path.parent)
        name = str(key) if isinstance(tree, dict) else file or f"candidate-{key}"
        if not name.isprintable() or not name.strip() or len(name) > MAX_NAME_LENGTH:
            raise UsageError(f"{where}: a name is one line of at most {MAX_NAME_LENGTH} characters")
        if name in FRAMINGS:
            raise UsageError(f"{where}: {name} is a framing of this package; choose another name")
        if name in framings:
            raise UsageError(f"{where}: two candidates are called {name!r}; rename one")
        if text in name_of_text:
            raise UsageError(f"{where}: the same instruction as {name_of_text[text]!r}; remove one")
        framings[name], name_of_text[text] = Framing(name, text), name
    return tuple(framings.values())


def candidates_text(framings: Iterable[Framing]) -> str:
    """The text of a file that `load_candidates` reads as these framings."""
    tree = {framing.name: framing.instruction for framing in framings}
    # PyYAML writes these characters unescaped and reads them as line breaks.
    plain = not any(mark in text for text in tree.values() for mark in "\x85\u2028\u2029")
    return write_yaml(tree, unicode=plain, width=100)


def _instruction(where: str, value: object, folder: Path) -> tuple[str, str | None]:
    """The text of an entry, and the name of its file if it is in one."""
    if isinstance(value, str) and value.strip():
        return value.strip(), None
    if not (isinstance(value, dict) and set(value) == {"file"} and isinstance(value["file"], str)):
        raise UsageError(f"{where}: expected a text, or file: and its path")
    file = Path(value["file"])
    try:
        text = read_text_beneath(folder, file).strip()
    except OSError as error:
        raise UsageError(
            f"{where}: {file} cannot be read ({error.strerror}); put the file beside the YAML file "
            "or below it"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"{where}: {file} is not UTF-8; save it as such") from None
    if not text:
        raise UsageError(f"{where}: {file} is empty; write the instruction into it")
    return text, file.stem
