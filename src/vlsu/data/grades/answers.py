"""Answers as annotation tools export them: a word, a list, a mapping, a column per option."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from vlsu.data.tables import mapped, normalise, plain_word, stripped, tally

__all__ = [
    "Answer",
    "given",
    "mostly_in",
    "options_of",
    "plain_answer",
    "plain_answers",
    "read_list",
]

#: Maximum characters of a cell that is parsed as a list or a mapping.
_MAX_LENGTH = 10_000
#: Maximum nesting of an answer in lists and mappings.
_MAX_DEPTH = 6
_CHOSEN = frozenset({"true", "1", "1.0", "yes", "x", "on", "checked"})
_BOOLEAN = _CHOSEN | {"", "false", "0", "0.0", "no", "off"}


@dataclass(frozen=True, slots=True)
class Answer:
    """The column, or columns, of an answer.

    Attributes:
        name: Its name: the column, or the common part of its options' columns.
        column: Position of its column; `None` if each option has its own column.
        options: Option -> position of its column.
    """

    name: str
    column: int | None
    options: Mapping[str, int]

    def read(self, cells: pl.DataFrame) -> pl.Series:
        """The answer in each record, empty if there is none; several options make one label.

        Args:
            cells: As `vlsu.data.tables.read_frame` gives them.
        """
        if self.column is not None:
            return plain_answers(cells[str(self.column)])
        columns = [str(position) for position in self.options.values()]
        distinct = cells.select(columns).unique()
        labels = [self._label(row) for row in distinct.iter_rows()]
        return cells.select(columns).join(
            distinct.with_columns(label=pl.Series(labels, dtype=pl.String)),
            on=columns,
            how="left",
            maintain_order="left",
        )["label"]

    def _label(self, fields: Sequence[str]) -> str:
        chosen = []
        for option, field in zip(self.options, fields, strict=True):
            cell = field.strip()
            if cell.lower() in _CHOSEN or normalise(cell) == normalise(option):
                chosen.append(option)
            elif cell.lower() not in _BOOLEAN:
                chosen.append(plain_answer(cell))
        return ", ".join(sorted(filter(None, chosen)))


def options_of(
    header: Sequence[str], cells: pl.DataFrame, prefix: str, separator: str
) -> list[Answer]:
    """Answers with one column per option, named ``prefix question separator option``.

    A column that shares its question with no other, or whose cells are not yes or no, is an answer
    by itself.

    Args:
        header: The columns' names.
        cells: The records, as `vlsu.data.tables.read_frame` gives them.
        prefix: Prefix of all columns of answers, in lower case.
        separator: Separator between question and option.
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
            cell.strip().lower() in _BOOLEAN
            for n in options.values()
            for cell in cells[str(n)].unique()
        )
        if separator == "." and not (len(options) > 1 and yes_or_no):
            answers += [Answer(header[n], n, {}) for n in options.values()]
        else:
            answers.append(Answer(question[len(prefix) :], None, options))
    return answers


def given(answers: pl.Series) -> dict[str, int]:
    """How often each answer is given, in the order in which they are first; empty ones are none."""
    return {answer: count for answer, count in tally(answers).items() if answer}


def plain_answers(cells: pl.Series) -> pl.Series:
    """`plain_answer` of each cell."""
    texts = stripped(cells)
    if (texts == cells).all():
        texts = cells  # millions of texts, which are there already
    lists = texts.filter(texts.str.contains(r"^[\[{]")).unique()
    read = {text: plain_answer(text) for text in lists}
    return mapped(texts, lambda text: read.get(text, text)) if read else texts


def plain_answer(cell: str) -> str:
    """The label in a cell; for a list or a mapping, its content."""
    text = cell.strip()
    if not text.startswith(("[", "{")) or len(text) > _MAX_LENGTH:
        return text
    tree = _tree(text)
    found = None if tree is None else _labels(tree, _MAX_DEPTH)
    return text if found is None else ", ".join(sorted(found))


def read_list(cell: str) -> list[str] | None:
    """The entries of a JSON or Python list in a cell; `None` if it is not a list."""
    text = cell.strip()
    if not text.startswith("[") or len(text) > 100 * _MAX_LENGTH:
        return None
    tree = _tree(text)
    if not isinstance(tree, list):
        return None
    return [each if isinstance(each, str) else json.dumps(each, default=str) for each in tree]


def mostly_in(answers: Mapping[str, int], words: frozenset[str]) -> bool:
    """Whether most answers are among the words, so that single misspellings are tolerated.

    Args:
        answers: Answer -> how often it is given.
        words: Normalised.
    """
    known = sum(n for answer, n in answers.items() if normalise(plain_word(answer)) in words)
    return 2 * known > sum(answers.values())


def _tree(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    # Python syntax. Adjacent strings without commas are a NumPy array, and would be concatenated.
    if re.search(r"""['"]\s+['"]""", text):
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _labels(tree: object, levels: int) -> list[str] | None:
    """The labels in a tree, or `None` if they are ambiguous."""
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
