"""The graders' columns of a wide file, with one row per item and one column per grader."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from vlsu.data.grades.answers import mostly_in
from vlsu.data.tables import columns_found, listing, normalise
from vlsu.errors import DataError
from vlsu.policy import MODALITIES

__all__ = ["CONSENSUS", "GraderColumn", "find_graders"]

#: Prefixes of the names of graders' columns.
_GRADERS = ("grader", "annot", "rater", "coder", "labeler", "labeller", "worker")
#: Maximum distinct answers of a grader's column that is recognised only by its answers.
_FEW_LABELS = 20

_MODALITY_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("image", "img", "picture", "photo", "visual"), "image"),
    **dict.fromkeys(("text", "prompt", "caption", "query", "textual"), "text"),
    **dict.fromkeys(("joint", "combined", "pair", "both", "multimodal", "overall"), "joint"),
}
#: Words in a column's name that do not identify the grader.
_GENERIC = frozenset(
    {
        *("grade", "grades", "label", "labels", "rating", "ratings", "severity", "score"),
        *("answer", "answers", "annotation", "value", "class", "verdict", "category"),
        *("safety", "harm", "human", "by", "of", "annotator", "annot", "grader", "rater"),
        *("coder", "labeler", "labeller", "worker"),
    }
)
#: Words in the names of columns with consensus, gold or predicted grades.
CONSENSUS = frozenset(
    {
        *("gold", "golden", "consensus", "majority", "final", "adjudicated"),
        *("adjudication", "aggregated", "expected", "truth", "reference", "resolved"),
        *("settled", "predicted", "prediction"),
    }
)
#: Names of models; those of the second pattern are also names of people, and count only with a
#: number.
_MODELS = re.compile(
    r"(?:chatgpt|gpt|llama|qwen|llava|internvl|mixtral|pixtral|deepseek|idefics|minicpm|llm|vlm|mllm"
    r"|ai|model|classifier|automatic)\d*[a-z]?"
)
_MODELS_OR_PEOPLE = re.compile(r"(?:claude|gemini|gemma|mistral|phi|molmo)\d*")
#: Words in the names of columns with metadata about a grading.
_METADATA = frozenset(
    {
        *("id", "ids", "uuid", "hash", "name", "email", "mail", "time", "times"),
        *("timestamp", "date", "at", "created", "updated", "started", "submitted"),
        *("duration", "seconds", "lead", "session", "comment", "comments", "note", "notes"),
        *("remark", "remarks", "reason", "reasons", "explanation", "rationale"),
        *("confidence", "certainty", "count", "url", "link", "ip", "country", "city"),
        *("region", "status", "trust", "channel", "page", "order", "index", "rank"),
        *("agreement", "agreements"),
    }
)


@dataclass(frozen=True, slots=True)
class GraderColumn:
    """A grader's column.

    Attributes:
        name: Name of the grader.
        column: Its name in the file.
        modality: The graded modality, if the column's name states it.
    """

    name: str
    column: str
    modality: str | None = None


@dataclass(frozen=True, slots=True)
class _Named:
    """The parts of a column's name: modality, grader, whether it is a consensus."""

    column: str
    modality: str | None
    grader: str
    consensus: bool

    @classmethod
    def read(cls, column: str) -> _Named:
        words = [word for word in re.split(r"[\W_]+", normalise(column)) if word]
        modality = next((_MODALITY_WORDS[w] for w in words if w in _MODALITY_WORDS), None)
        others = [w for w in words if w not in _MODALITY_WORDS and w not in CONSENSUS]
        specific = [w for w in others if w not in _GENERIC]
        # A number alone is not a name: grader 1, annotator 2.
        named = specific if any(not w.isdigit() for w in specific) else others if specific else []
        return cls(
            column, modality, "_".join(named), bool(CONSENSUS & set(words)) or _names_model(words)
        )


def find_graders(
    where: str,
    header: Sequence[str],
    answers: Mapping[str, Mapping[str, int]],
    words: frozenset[str],
    notes: list[str],
    *,
    by_modality: bool,
) -> list[GraderColumn]:
    """The graders' columns, at least two.

    These are the columns with mostly `words`; if there are fewer than two, those named like a
    grader; else those that share a few labels.

    Args:
        where: The file, for messages.
        header: All columns' names.
        answers: Column that may be a grader's -> its answers -> how often each is given.
        words: Known severities and labels, normalised.
        notes: Receives notes about columns that were not used.
        by_modality: Whether columns are distinguished by the modality in their names.

    Raises:
        DataError: Fewer than two are found, or they grade different things.
    """
    found = [name for name, given in answers.items() if mostly_in(given, words)]
    if len(found) < 2:
        found = [
            name
            for name in answers
            if normalise(name).startswith(_GRADERS) and not _is_metadata(name)
        ]
    if len(found) < 2:
        found = _sharing_labels({n: given for n, given in answers.items() if not _is_metadata(n)})
    named = [_Named.read(name) for name in found]
    graders = _by_modality(where, named, notes) if by_modality else None
    if graders is None:
        graders = _single(named, notes)
    if len({grader.name for grader in graders}) < 2:
        consensus = [each for each in named if each.consensus]
        shown = bool(consensus) and len(named) > 1
        seen = f"{_columns(consensus)} is no single grader's; " if shown else ""
        raise DataError(
            f"{where}: fewer than two graders found; {seen}a long file has columns item, grader "
            "and grade, a wide one a column a grader: name them with --graders A,B,...; columns: "
            f"{columns_found(header)}"
        )
    return graders


def _single(named: Sequence[_Named], notes: list[str]) -> list[GraderColumn]:
    """One column per grader, without those of a consensus."""
    graders = [each for each in named if not each.consensus]
    if len(graders) > 1:
        _note_left_out([each for each in named if each.consensus], notes)
    return [GraderColumn(each.column, each.column) for each in graders]


def _by_modality(
    where: str, named: Sequence[_Named], notes: list[str]
) -> list[GraderColumn] | None:
    """A column for each grader and modality, where the columns' names say both.

    Returns:
        The columns; `None` if their names state no modality, or it does not distinguish them.

    Raises:
        DataError: They grade different things, or it is ambiguous.
    """
    of_modality = [each for each in named if each.modality is not None]
    of_graders = [each for each in of_modality if each.grader and not each.consensus]
    anonymous = [each for each in of_modality if each not in of_graders]
    plain = [each for each in named if each.modality is None and not each.consensus]
    if len(plain) > 1:
        if of_graders and len(of_modality) > 1:
            raise DataError(
                f"{where}: {_columns(of_modality)} name what was graded and {_columns(plain)} do "
                "not; say which columns are graders of the same thing: --graders A,B,..."
            )
        if not anonymous:
            return None
        _note_left_out(anonymous, notes)
        return [GraderColumn(each.column, each.column) for each in plain]
    if len(of_modality) < 2:
        return None
    if plain or len({each.grader for each in of_graders}) < 2:
        things = ", ".join(dict.fromkeys(str(each.modality) for each in of_modality))
        raise DataError(
            f"{where}: {_columns(of_modality)} are grades of different things ({things}), not "
            "different graders of one; give a file with the answers of several graders (columns "
            "item, grader, grade), or name graders of one thing with --graders A,B,..."
        )
    _note_left_out(anonymous, notes)
    by_place: dict[tuple[str, str], GraderColumn] = {}
    for each in sorted(of_graders, key=lambda e: MODALITIES.index(str(e.modality))):
        column = GraderColumn(each.grader, each.column, each.modality)
        other = by_place.setdefault((each.grader, str(each.modality)), column)
        if other is not column:
            raise DataError(
                f"{where}: {other.column} and {column.column} are both {each.grader}'s grades of "
                f"the {each.modality}; say which columns are graders with --graders A,B,..."
            )
    return list(by_place.values())


def _columns(named: Sequence[_Named]) -> str:
    return listing([each.column for each in named])


def _note_left_out(named: Sequence[_Named], notes: list[str]) -> None:
    if named:
        notes.append(f"{_columns(named)}: not taken for a grader, by its name; --graders takes it.")


def _names_model(words: Sequence[str]) -> bool:
    """Whether a column is named after a model, and not after a person who graded it."""
    if any(word == "human" or word.startswith(_GRADERS) for word in words):
        return False
    if any(_MODELS.fullmatch(word) for word in words):
        return True
    named = any(_MODELS_OR_PEOPLE.fullmatch(word) for word in words)
    return named and any(any(map(str.isdigit, word)) for word in words)


def _is_metadata(column: str) -> bool:
    """Whether a column, by its name, is metadata about a grading."""
    words = re.split(r"[\W_]+", normalise(column))
    return column.startswith("_") or bool(_METADATA & set(words))


def _sharing_labels(answers: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Columns of few labels, most of whose answers are labels of another such column."""
    kinds = {name: {normalise(a) for a in given} for name, given in answers.items()}
    few = [
        name
        for name, kind in kinds.items()
        if 0 < len(kind) <= _FEW_LABELS
        and (len(kind) < sum(answers[name].values()) or len(kind) < 3)
    ]
    # A label's columns, so that each column is compared with all others in one look.
    columns_of: dict[str, int] = {}
    for name in few:
        for label in kinds[name]:
            columns_of[label] = columns_of.get(label, 0) + 1
    shared: Collection[str] = {label for label, count in columns_of.items() if count > 1}
    return [name for name in few if mostly_in(answers[name], frozenset(shared))]
