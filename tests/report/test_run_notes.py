"""Notes beside the numbers of a run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from vlsu.report.run_notes import clusters_note


def run_with(clusters: dict[str, Any] | None) -> Any:
    return cast(Any, SimpleNamespace(metrics={"intervals": {"clusters": clusters}}))


def test_few_clusters_are_said_and_many_are_not() -> None:
    few = {"by": ["image", "text"], "units": {"image": 120.0, "joint": 5.0}, "few": ["joint"]}
    note = clusters_note(run_with(few))
    assert note.startswith("Samples share images and texts: they are worth as few as 5 independent")
    assert clusters_note(run_with({**few, "few": []})) == ""
    assert clusters_note(run_with(None)) == ""
    assert clusters_note(cast(Any, SimpleNamespace(metrics={}))) == ""
