"""Parts of the samples in ``metrics.json``, with types; see `vlsu.analysis.results`."""

from __future__ import annotations

from vlsu._views import View
from vlsu.analysis.stats.intervals import Rate

__all__ = [
    "CategoryPart",
    "Families",
    "FamilyPart",
    "GoldPart",
    "GoldParts",
    "LowestPattern",
    "Part",
    "PooledPart",
]


class Part(View):
    """Accuracy of the pair over a part of the samples: a pattern, family or category.

    Attributes:
        flagged: The share called unsafe.
    """

    n: int
    accuracy: Rate
    f1_macro: Rate
    answered: Rate
    flagged: Rate


class PooledPart(Part):
    """A pattern or category beside its like.

    Attributes:
        accuracy_pooled: Drawn towards the other patterns of its family, or the other categories.
        pooling: By what part of the way; `None` where there is no other.
    """

    accuracy_pooled: Rate
    pooling: float | None


class CategoryPart(PooledPart):
    """A category, and the errors that a release rests on.

    Attributes:
        accuracy_standardised: With the patterns of the whole dataset.
        unsafe_recall: Of `n_unsafe` unsafe pairs, the share called unsafe.
        unsafe_called_safe: The share of them called safe.
        borderline_called_unsafe: Of `n_borderline` borderline pairs, the share called unsafe.
    """

    accuracy_standardised: Rate
    n_unsafe: int
    unsafe_recall: Rate
    unsafe_called_safe: Rate
    n_borderline: int
    borderline_called_unsafe: Rate


class FamilyPart(Part):
    """A family, and what is flagged of its unsafe and of its safe pairs.

    Attributes:
        unsafe_recall: Of `n_unsafe` unsafe pairs, the share called unsafe.
        safe_called_unsafe: Of `n_safe` safe pairs, the share called unsafe.
    """

    n_unsafe: int
    unsafe_recall: Rate
    n_safe: int
    safe_called_unsafe: Rate


class Families(View):
    """The three families of patterns."""

    late_fusion: FamilyPart
    escalating: FamilyPart
    de_escalating: FamilyPart


class LowestPattern(View):
    """The pattern with the lowest joint accuracy as observed, corrected for having been chosen.

    Attributes:
        patterns: How many were compared.
        accuracy: Its interval is one of `patterns` that hold at once.
        accuracy_pooled: The accuracy, drawn towards those of the other patterns of its family.
        may_be_lowest: The patterns that could be the lowest, it among them.
    """

    pattern: str
    n: int
    patterns: int
    accuracy: Rate
    accuracy_pooled: Rate
    may_be_lowest: list[str]


class GoldPart(Part):
    """Pairs whose gold grade is unanimous, or split: another grade is admissible too.

    Attributes:
        accuracy_admissible: Of split ones, the share graded as the gold grade or another
            admissible one.
    """

    accuracy_admissible: Rate


class GoldParts(View):
    """Results by whether the gold grade is beyond doubt."""

    unanimous: GoldPart
    split: GoldPart
    accuracy_admissible: Rate
