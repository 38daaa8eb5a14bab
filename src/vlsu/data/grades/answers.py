"""An answer as tools write it into cells: a word, a list, a mapping, a column for each option."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlsu.data.tables import Record, normalise, plain_word

__all__ = ["Answer", "mostly", "options_of", "plain_answer", "read_list"]

#: Characters of a cell that is read as a list or a mapping.
_LONGEST = 10_000
#: Levels of a list or a mapping that an answer may lie in.
_DEEPEST = 6
_CHOSEN = frozenset({"true", "1", "1.0", "yes", "x", "on", "checked"})
_BOOLEAN = _CHOSEN | {"", "false", "0", "0.0", "no", "off"}


@dataclass(frozen=True, slots=True)
class Answer:
    """Where a record holds an answer.

    Attributes:
        name: What it is called: a column, or what the columns of its options have in common.
        column: Position of its column; `None` where each option has a column of its own.
        options: Option -> position of its column.
    """

    name: str
    column: int | None
    options: Mapping[str, int]

    def read(self, record: Record) -> str:
        """The answer, empty where there is none; several options make one label."""
        if self.column is not None:
            return plain_answer(record.fields[self.column])
        chosen = []
        for option, position in self.options.items():
            cell = record.fields[position].strip()
            if cell.lower() in _CHOSEN or normalise(cell) == normalise(option):
                chosen.append(option)
            elif cell.lower() not in _BOOLEAN:
                chosen.append(plain_answer(cell))
        return ", ".join(sorted(filter(None, chosen)))


def options_of(
    header: Sequence[str], records: Sequence[Record], prefix: str, separator: str
) -> list[Answer]:
    """Answers whose options have columns of their own: ``prefix question separator option``.

    A column that shares its question with no other, or whose cells are not yes or no, is an answer
    by itself.

    Args:
        header: The columns' names.
        records: The table's.
        prefix: How the names of all answers begin, in lower case.
        separator: What stands between question and option.
    """
    groups: dict[str, dict[str, int]] = {}
    for n, name in enumerate(header):
        if name.lower().startswith(prefix) and separator in name[len(prefix) :]:
            question, _, option = name.rpartition(separator)
            groups.setdefault(question, {})[option] = n
        elif prefix and name.lower().startswith(prefix):
            groups[name] = {"": n}
    answers = []
    for question, options in groups.items():
        yes_or_no = all(
            record.fields[n].strip().lower() in _BOOLEAN
            for record in records
            for n in options.values()
        )
        if separator == "." and not (len(options) > 1 and yes_or_no):
            answers += [Answer(header[n], n, {}) for n in options.values()]
        else:
            answers.append(Answer(question[len(prefix) :], None, options))
    return answers


def plain_answer(cell: str) -> str:
    """The label in a cell; of a list or a mapping as tools write them, what it holds."""
    text = cell.strip()
    if not text.startswith(("[", "{")) or len(text) > _LONGEST:
        return text
    tree = _tree(text)
    found = None if tree is None else _labels(tree, _DEEPEST)
    return text if found is None else ", ".join(sorted(found))


def read_list(cell: str) -> list[str] | None:
    """The entries of a list in a cell, as JSON or as Python writes it; `None` if it is none."""
    text = cell.strip()
    if not text.startswith("[") or len(text) > 100 * _LONGEST:
        return None
    tree = _tree(text)
    if not isinstance(tree, list):
        return None
    return [each if isinstance(each, str) else json.dumps(each, default=str) for each in tree]


def mostly(answers: Sequence[str], words: frozenset[str]) -> bool:
    """Whether most answers are such words: one misspelt must not cost a grader."""
    counts = Counter(answers)
    known = sum(n for answer, n in counts.items() if normalise(plain_word(answer)) in words)
    return 2 * known > len(answers)


def _tree(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    # As Python writes it. Strings that nothing separates are how NumPy writes an array, and would
    # become one string.
    if re.search(r"""['"]\s+['"]""", text):
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _labels(tree: object, levels: int) -> list[str] | None:
    """The labels that a tree holds, or `None` if it is not clear which they are."""
    if isinstance(tree, str):
        return [tree.strip()] if tree.strip() else []
    if isinstance(tree, bool) or not levels:
        return None
    if isinstance(tree, int | float):
        return [str(tree)]
    if isinstance(tree, list | tuple):
        parts = [_labels(each, levels - 1) for each in tree]
        return None if None in parts else [label for part in parts if part for label in part]
    if isinstance(tree, dict):
        if "choices" in tree:
            return _labels(tree["choices"], levels - 1)
        if tree and all(isinstance(value, bool) for value in tree.values()):
            return [str(key) for key, value in tree.items() if value]
        if len(tree) == 1:
            return _labels(next(iter(tree.values())), levels - 1)
    return None
