"""How often each model refused to write, by category."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

from vlsu.build.folder.reading import Reader
from vlsu.build.folder.records import STAGES

__all__ = ["Refused", "refusals"]

QUERIES = STAGES[2]


@dataclass(frozen=True, slots=True)
class Refused:
    """What one model did in one category.

    Attributes:
        model: Its SPEC.
        category: Of the policy, or `NO_CATEGORY`.
        asked: Requests that it answered.
        refused: Of these, refused by it or blocked by its provider.
    """

    model: str
    category: str
    asked: int
    refused: int

    def as_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return asdict(self)


def refusals(store: Reader) -> list[Refused]:
    """Refusals of every model in every category that it was asked in, over all starts."""
    outcomes = store.outcomes(QUERIES)
    asked: Counter[tuple[str, str]] = Counter()
    refused: Counter[tuple[str, str]] = Counter()
    for each in store.tries(QUERIES):
        about = outcomes.get(each.key, {})
        by = [str(model) for model in about.get("refused_by", ())]
        category = each.cell.category_name
        refused.update((model, category) for model in by)
        asked.update((model, category) for model in {*by, *filter(None, [about.get("writer")])})
    return [
        Refused(model, category, number, refused[model, category])
        for (model, category), number in sorted(asked.items())
    ]
