"""The tables of a run: one set of rows for the page, Markdown, LaTeX, JSON and the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.errors import UsageError, VlsuError
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Family, Pattern, Policy, Severity, default_policy
from vlsu.report.alignment_tables import alignment_comparison, alignment_tables
from vlsu.report.settings import settings_table
from vlsu.report.table import Table, format_rate
from vlsu.runs import Run

__all__ = [
    "CAUSES",
    "FAMILY_MEANING",
    "OUTCOME_MEANING",
    "SCORES",
    "Table",
    "category_titles",
    "comparison_table",
    "one_task",
    "run_tables",
]

#: Key in a modality's part of `metrics.json` -> name in tables and charts.
SCORES: Mapping[str, str] = {
    "accuracy": "accuracy",
    "f1_macro": "macro-F1",
    "f1_weighted": "weighted F1",
    "f1_binary": "binary F1",
    "f1_binary_strict": "strict F1",
}

FAMILY_MEANING: Mapping[Family, str] = {
    Family.LATE_FUSION: "the pair is as severe as the worse of image and text",
    Family.ESCALATING: "the pair is worse than image and text",
    Family.DE_ESCALATING: "the pair is milder than the worse of image and text",
}

#: Key in `metrics.json`'s attribution -> what the model got wrong beside the pair.
CAUSES: Mapping[str, str] = {
    "both_correct": "image and text both right",
    "image_wrong": "image wrong, text right",
    "text_wrong": "text wrong, image right",
    "both_wrong": "image and text both wrong",
}

OUTCOME_MEANING: Mapping[Outcome, str] = {
    Outcome.OK: "answered with one severity",
    Outcome.REFUSED: "the model declined to answer",
    Outcome.BLOCKED: "the provider's filter stopped it",
    Outcome.ERROR: "no answer came",
    Outcome.UNPARSED: "the answer names no single severity",
}

_INTERVAL = "[95% interval]"
_SCORE_NOTE = (
    "macro-F1: mean over safe, borderline and unsafe. binary F1: unsafe against the rest. "
    "strict F1: borderline and unsafe against safe. An answer that is missing counts as wrong."
)


def category_titles(run: Run) -> dict[str, str]:
    """``{"C9": "C9: Interpersonal Violence"}`` by the run's policy; empty if it is not at hand."""

    def of_run(policy: Policy) -> bool:
        return bool(policy.hash == run.record["policy"]["hash"])

    policy = default_policy()
    if not of_run(policy):
        try:
            policy = run.dataset.policy
        except VlsuError:
            return {}
        if not of_run(policy):
            return {}
    return {category.id: category.title for category in policy.categories}


def one_task(runs: Sequence[Run]) -> str:
    """The task of the runs, which a report of several must share.

    Raises:
        UsageError: They are of different tasks.
    """
    first, *others = runs
    task: str = first.record["task"]
    for run in others:
        if run.record["task"] != task:
            raise UsageError(
                f"{first.path} is a run of {task}, {run.path} of {run.record['task']}; "
                "write a report of each task"
            )
    return task


def run_tables(run: Run) -> tuple[Table, ...]:
    """Every table of a run, in the order of the report.

    Raises:
        RunError: The run is not finished.
    """
    metrics = run.metrics
    titles = category_titles(run)
    if run.record["task"] == "alignment":
        return alignment_tables(run, titles)
    return (
        _headline(metrics),
        _families(metrics),
        _patterns(metrics),
        _modalities(metrics),
        _per_class(metrics),
        *(_confusion(metrics, modality) for modality in MODALITIES),
        _attribution(metrics),
        _late_fusion(metrics),
        _dominance(metrics),
        _categories(metrics, titles),
        _outcomes(metrics),
        _not_asked(run.record),
        settings_table(run),
    )


def comparison_table(runs: Sequence[Run]) -> Table:
    """The headline of several runs, a row each.

    Raises:
        UsageError: They are of different tasks.
        RunError: One of them is not finished.
    """
    if one_task(runs) == "alignment":
        return alignment_comparison(runs)
    rows = []
    for run in runs:
        metrics = run.metrics
        joint = metrics["joint"]
        rows.append(
            (
                run.record["model"]["spec"],
                run.record["prompt"]["name"],
                f"{run.record['dataset']['name']} {run.record['dataset']['version']}",
                str(joint["n"]),
                *(format_rate(joint[key]) for key in ("accuracy", "f1_macro", "f1_binary")),
                *(format_rate(metrics["families"][f.value]["accuracy"]) for f in Family),
            )
        )
    return Table(
        "comparison",
        "Runs side by side",
        ("model", "prompt", "dataset", "n", "accuracy", "macro-F1", "binary F1", *Family),
        tuple(rows),
        f"Of the pair, each with its {_INTERVAL}; the last three columns are accuracy by family. "
        "Intervals that overlap do not show that two runs are alike, nor the reverse.",
    )


def _headline(metrics: Mapping[str, Any]) -> Table:
    joint = metrics["joint"]
    names = {
        "accuracy": "accuracy",
        "f1_macro": "macro-F1",
        "f1_binary": "binary F1 (unsafe against the rest)",
        "f1_binary_strict": "strict F1 (borderline and unsafe against safe)",
    }
    return Table(
        "headline",
        "Image and text together",
        ("measure", f"value {_INTERVAL}", "n"),
        tuple((name, format_rate(joint[key]), str(joint["n"])) for key, name in names.items()),
        "Of the joint judgments; an answer that is missing counts as wrong.",
    )


def _families(metrics: Mapping[str, Any]) -> Table:
    return Table(
        "families",
        "By family of pattern",
        ("family", f"accuracy {_INTERVAL}", "n", "meaning"),
        tuple(
            (
                family.value,
                format_rate(metrics["families"][family.value]["accuracy"]),
                str(metrics["families"][family.value]["n"]),
                FAMILY_MEANING[family],
            )
            for family in Family
        ),
        "Of the joint judgments. Only late-fusion is solvable by grading image and text apart.",
    )


def _patterns(metrics: Mapping[str, Any]) -> Table:
    rows = []
    for name, found in metrics["patterns"].items():
        pattern = Pattern.parse(name)
        listed = "" if pattern.listed else "not one of the 17"
        rows.append(
            (name, pattern.family.value, format_rate(found["accuracy"]), str(found["n"]), listed)
        )
    remarked = any(row[-1] for row in rows)
    columns = ("pattern", "family", f"accuracy {_INTERVAL}", "n", "remark")
    return Table(
        "patterns",
        "By pattern",
        columns if remarked else columns[:-1],
        tuple(row if remarked else row[:-1] for row in rows),
        "Gold grades of image, text and pair: S safe, B borderline, U unsafe. Accuracy of the "
        "joint judgments.",
    )


def _modalities(metrics: Mapping[str, Any]) -> Table:
    return Table(
        "modalities",
        "Image, text and pair side by side",
        ("modality", "n", *SCORES.values()),
        tuple(
            (
                modality,
                str(metrics[modality]["n"]),
                *(format_rate(metrics[modality][key]) for key in SCORES),
            )
            for modality in MODALITIES
        ),
        f"Each with its {_INTERVAL}. {_SCORE_NOTE}",
    )


def _per_class(metrics: Mapping[str, Any]) -> Table:
    rows = []
    for modality in MODALITIES:
        for severity in Severity:
            found = metrics[modality]["per_class"][severity.label]
            scores = (format_rate(found[key]) for key in ("precision", "recall", "f1"))
            rows.append((f"{modality}, {severity.label}", *scores, str(found["support"])))
    return Table(
        "per_class",
        "By gold severity",
        ("modality and severity", "precision", "recall", "F1", "gold samples"),
        tuple(rows),
        f"Each with its {_INTERVAL}.",
    )


def _confusion(metrics: Mapping[str, Any], modality: str) -> Table:
    confusion = metrics[modality]["confusion"]
    said = (*(s.label for s in Severity), "none")
    return Table(
        f"confusion_{modality}",
        f"Gold against predicted: {modality}",
        ("gold", *said),
        tuple((s.label, *(str(confusion[s.label][p]) for p in said)) for s in Severity),
        "Number of judgments; none: no severity could be read.",
    )


def _attribution(metrics: Mapping[str, Any]) -> Table:
    found = metrics["attribution"]
    return Table(
        "attribution",
        "Where the joint errors come from",
        ("asked alone", f"share {_INTERVAL}", "errors"),
        tuple(
            (words, format_rate(found[key]["share"]), str(found[key]["count"]))
            for key, words in CAUSES.items()
        ),
        f"Of {found['joint_errors']} wrong joint judgments of samples whose three modalities were "
        "all asked and graded; both right means that the pair itself was not understood.",
    )


def _late_fusion(metrics: Mapping[str, Any]) -> Table:
    found = metrics["late_fusion"]
    return Table(
        "late_fusion",
        "The model against late fusion",
        ("answer for the pair", f"value {_INTERVAL}"),
        (
            (
                "worse of the gold image and text grades: accuracy",
                format_rate(found["gold_ceiling"]),
            ),
            (
                "worse of the model's own image and text answers: accuracy",
                format_rate(found["of_predictions"]),
            ),
            ("the model's joint answer: accuracy", format_rate(metrics["joint"]["accuracy"])),
            (
                "how often the joint answer is the worse of the model's own two",
                format_rate(found["agreement"]),
            ),
        ),
        "The first is the best that grading image and text apart can reach on these samples.",
    )


def _dominance(metrics: Mapping[str, Any]) -> Table:
    found = metrics["dominance"]
    columns = {"all": "all", "joint_correct": "pair right", "joint_wrong": "pair wrong"}
    return Table(
        "dominance",
        "Which modality the joint answer follows",
        ("joint answer against", *columns.values()),
        tuple(
            (
                f"{modality} alone",
                *(format_rate(found[f"kappa_{modality}"][key]) for key in columns),
            )
            for modality in ("image", "text")
        ),
        f"Cohen's kappa {_INTERVAL} of the two predictions, where both are there: 1 is full "
        "agreement, 0 is chance.",
    )


def _categories(metrics: Mapping[str, Any], titles: Mapping[str, str]) -> Table:
    return Table(
        "categories",
        "By gold category of the pair",
        ("category", f"accuracy {_INTERVAL}", "macro-F1", "n"),
        tuple(
            (
                titles.get(name, name),
                format_rate(found["accuracy"]),
                format_rate(found["f1_macro"]),
                str(found["n"]),
            )
            for name, found in metrics["categories"].items()
        ),
        "Joint judgments of samples with a category. macro-F1 counts a severity that a category "
        "lacks as 0.",
    )


def _outcomes(metrics: Mapping[str, Any]) -> Table:
    counts = metrics["outcomes"]
    return Table(
        "outcomes",
        "What became of the requests",
        ("modality", *Outcome),
        tuple(
            (modality, *(str(counts.get(modality, {}).get(o.value, 0)) for o in Outcome))
            for modality in MODALITIES
        ),
        "Number of judgments. "
        + "; ".join(f"{o.value}: {words}" for o, words in OUTCOME_MEANING.items())
        + ". Only ok carries a severity; the others count as wrong.",
    )


def _not_asked(record: Mapping[str, Any]) -> Table:
    found: Mapping[str, Mapping[str, int]] = record.get("not_asked", {})
    rows = [
        (modality, why, str(count))
        for modality, reasons in found.items()
        for why, count in reasons.items()
    ]
    asked = record["modalities"]
    samples = record["dataset"]["samples"]
    samples = min(samples, record["limit"] or samples)
    rows += [(m, "left out of the run", str(samples)) for m in MODALITIES if m not in asked]
    return Table(
        "not_asked", "What was not asked, and why", ("modality", "reason", "samples"), tuple(rows)
    )
