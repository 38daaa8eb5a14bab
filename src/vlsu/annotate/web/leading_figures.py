"""What the lead's page shows: counts that are kept for a while, and lists that are read anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from vlsu.annotate.projects.growth import MOST_GRADES, growth
from vlsu.annotate.projects.overview import (
    care_sums,
    health,
    listed_people,
    listed_stops,
    policy_history,
)
from vlsu.annotate.projects.progress import progress
from vlsu.annotate.projects.project import Project
from vlsu.annotate.quality.summary import summary
from vlsu.annotate.web.keeping import Kept
from vlsu.annotate.web.leading_charts import CONFIG, growth_chart
from vlsu.policy import MODALITIES

if TYPE_CHECKING:
    from vlsu.annotate.web.endpoints import Call

__all__ = ["figures_of", "lead_figures", "plan_rows", "quality_figures"]

#: Seconds for which counts, agreement and quality are good; longer if they take long (see `Kept`).
_COUNTS_S, _AGREEMENT_S, _QUALITY_S = 0.5, 15.0, 30.0
#: Seconds that quality waits for itself and its counts, at most.
_WAIT_S = 1.0


class Figures:
    """Counts and agreement of a project, made in threads of their own.

    Args:
        project: Opened.
    """

    def __init__(self, project: Project) -> None:
        modalities = [name for name in MODALITIES if project.plan.graders.get(name)]

        def counted() -> dict[str, Any]:
            now = project.clock()
            with project.database.read() as connection:
                return {**progress(connection, now), "at": now}

        def agreed() -> dict[str, Any]:
            now = project.clock()
            with project.database.read() as connection:
                return {**growth(connection, modalities), "at": now}

        def judged() -> dict[str, Any]:
            counts = self.counts.get(_WAIT_S)
            number = sum(counts["done"].values()) if counts else 0
            if number > MOST_GRADES:
                return {"too_many": True, "found": None}
            return {"too_many": False, "found": summary(project)}

        self.counts: Kept[dict[str, Any]] = Kept(counted, least=_COUNTS_S)
        self.agreement: Kept[dict[str, Any]] = Kept(agreed, least=_AGREEMENT_S)
        self.quality: Kept[dict[str, Any]] = Kept(judged, least=_QUALITY_S)


_FIGURES: WeakKeyDictionary[Project, Figures] = WeakKeyDictionary()
_LOCK = threading.Lock()


def figures_of(project: Project) -> Figures:
    """The figures of a project, one for all who look at it."""
    with _LOCK:
        if project not in _FIGURES:
            _FIGURES[project] = Figures(project)
        return _FIGURES[project]


def lead_figures(call: Call, texts: Mapping[str, str], *, wait: float) -> dict[str, Any]:
    """All that the page shows and that changes.

    Args:
        call: The request.
        texts: Strings of the page's language, for the charts.
        wait: Seconds to wait for new counts and agreement, at most.
    """
    project = call.service.project
    now = project.clock()
    figures = figures_of(project)
    figures.counts.get(0)
    figures.agreement.get(0)  # both are begun before either is waited for
    until = time.monotonic() + wait
    counts = figures.counts.get(max(0.0, until - time.monotonic()))
    agreement = figures.agreement.get(max(0.0, until - time.monotonic()))
    with project.database.read() as connection:
        found: dict[str, Any] = {
            "now": now,
            "people": listed_people(connection, now),
            "stops": listed_stops(connection),
            "care": care_sums(connection, now),
            "policy": policy_history(connection),
            "health": health(project, connection, now),
        }
    done = {} if counts is None else counts["done"]
    pace = {} if counts is None else counts["pace"]
    for person in found["people"]:
        person["done"] = done.get(person["id"], 0)
        person["pace"] = pace.get(person["id"])
    kept = ("slots", "team_pace", "daily", "left", "hours_left", "end", "disputes", "at")
    return {
        **found,
        "counts": None if counts is None else {name: counts[name] for name in kept},
        "agreement": agreement,
        "charts": {} if agreement is None else _charts(agreement, texts),
        "config": {**CONFIG, "locale": _locale(texts)},
    }


#: What the page shows of a grader.
_SHOWN = (
    *("name", "done", "known", "accuracy", "repeats", "self_agreement", "agreement", "drift"),
    *("not_sure", "too_fast", "flagged"),
)


def quality_figures(call: Call) -> dict[str, Any]:
    """Quality by grader, agreement by category, items that split the graders.

    Of what is known of a grader, the page gets what it shows and no more.

    Returns:
        ``ready`` (whether it was made yet), ``too_many`` (grades to look at all of them here),
        ``graders``, ``categories`` and ``splits``.
    """
    made = figures_of(call.service.project).quality.get(_WAIT_S)
    found = (made or {}).get("found") or {}
    return {
        "ready": made is not None,
        "too_many": bool(made and made["too_many"]),
        "graders": [{name: each.get(name) for name in _SHOWN} for each in found.get("graders", [])],
        "categories": [
            {"modality": modality, "category": category, **each}
            for modality, about in found.get("agreement", {}).items()
            for category, each in about.get("by_category", {}).items()
        ],
        "splits": found.get("splits", []),
    }


def _charts(agreement: dict[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    names = {name: texts[f"lead.modality.{name}"] for name in agreement["modalities"]}
    charts = {
        coefficient: growth_chart(
            agreement["modalities"],
            coefficient,
            names=names,
            axis=texts["lead.agreement.grades"],
            decimal=texts["lead.decimal"],
            description=texts[f"lead.agreement.{coefficient}_about"],
        )
        for coefficient in ("alpha", "ac2")
    }
    return {name: chart for name, chart in charts.items() if chart is not None}


def _locale(texts: Mapping[str, str]) -> dict[str, Any]:
    """How the axes of charts write numbers."""
    thousands = "." if texts["lead.decimal"] == "," else ","
    number = {"decimal": texts["lead.decimal"], "thousands": thousands}
    return {"number": {**number, "grouping": [3], "currency": ["", ""]}}


def plan_rows(project: Project) -> dict[str, Any]:
    """The project's settings, by the name that ``project.yaml`` has."""
    plan = asdict(project.plan)
    flat: dict[str, Any] = {}
    for name, value in plan.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{part}": each for part, each in value.items()}
        else:
            flat[name] = value
    return flat
