"""What a report opens with where too little was answered: the share, its cause, and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from vlsu.analysis.table.answered import ENOUGH, format_share
from vlsu.errors import VlsuError
from vlsu.models.base import Outcome
from vlsu.report.answered import Answered, too_few
from vlsu.report.judgments import scan_judgments
from vlsu.report.task import TaskReport
from vlsu.runs import Run

__all__ = ["Notice", "task_notice"]

#: A cause is named if it is at least this share of the largest one.
_LEAST = 0.2
#: Answers whose ending is examined.
_EXAMINED = 200
#: How servers say that an answer ended at a bound on its tokens.
_TRUNCATED = re.compile(
    rb'"(?:finish_reason|finishReason|stop_reason|reason)"\s*:\s*'
    rb'"(?:length|max_tokens|MAX_TOKENS|max_output_tokens|model_length)"'
)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a report opens with where too little was answered.

    Attributes:
        what: The share answered, and what follows from it.
        causes: What became of the rest, why that is likely so, and what to do, each in a sentence
            or two.
        requirement: The requirement by which `vlsu gate` checks the same.
    """

    what: str
    causes: tuple[str, ...]
    requirement: str

    @property
    def text(self) -> str:
        """All in one paragraph."""
        return " ".join((self.what, *self.causes))


def task_notice(task: TaskReport, run: Run, enough: float = ENOUGH) -> Notice | None:
    """What a report of this run opens with; `None` where enough was answered.

    Args:
        task: What a report shows of runs of its task.
        run: A finished run.
        enough: The share that is.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    lacking = too_few(task.answered_parts(run.metrics), enough)
    if not lacking:
        return None
    bound = format_share(enough)
    missing = [part for part in lacking if (part.share.value or 0.0) < enough]
    unjudged = [
        part for part in lacking if part.judged is not None and (part.judged.value or 0.0) < enough
    ]
    measure = "answered" if missing else "judged"
    return Notice(
        task.too_little(run.metrics, missing, unjudged, bound),
        tuple(_causes(task, run, missing, unjudged)),
        f"{task.metrics_path(lacking[0].name)}.{measure} >= {bound}",
    )


def _causes(
    task: TaskReport, run: Run, missing: Sequence[Answered], unjudged: Sequence[Answered]
) -> Iterator[str]:
    """For each outcome that took a part of the answers: what it is, and what helps."""
    largest = {
        outcome: max(part.others[outcome].value or 0.0 for part in missing)
        for outcome in (missing[0].others if missing else ())
    }
    least = _LEAST * max(largest.values(), default=0.0)
    for outcome, share in sorted(largest.items(), key=lambda item: -item[1]):
        if not share or share < least:
            continue
        most = f"up to {format_share(share)}" if len(missing) > 1 else format_share(share)
        yield f"{outcome.capitalize()} ({most}): {_remedy(task, run, Outcome(outcome))}"
    if unjudged:
        yield (
            "Not judged: the judge's verdict failed or could not be read; run the same command "
            "again, or choose another judge (--judge)."
        )


def _remedy(task: TaskReport, run: Run, outcome: Outcome) -> str:
    if outcome is Outcome.UNPARSED:
        return _unparsed_remedy(task, run)
    if outcome is Outcome.REFUSED and "guard_policy" in run.record["model"]["identity"]:
        return (
            "the server reported a refusal in place of a guard's verdict. Read its words under "
            "Samples, and see that the model is a guard."
        )
    if outcome is Outcome.REFUSED:
        return (
            "the model declined to grade. Read its words under Samples; a prompt or --system that "
            "says what the grades are for may help (--prompt FILE)."
        )
    if outcome is Outcome.BLOCKED:
        return (
            "the provider's filter stopped them, not the model. Turn the filter down where the "
            "provider lets you, or ask the model at another provider."
        )
    replayed = run.record.get("replay")
    if isinstance(replayed, Mapping) and replayed.get("missing"):
        return (
            "the run that was judged again has no answer to them, and --replay asks nothing. Ask "
            "for them in that run, and judge it again."
        )
    why = run.record.get("requests", {}).get("unanswered", {})
    message = max(why, key=why.__getitem__) if why else ""
    return (
        f"no answer came{f' ({message})' if message else ''}. Run the same command again: it asks "
        "for what is missing alone."
    )


def _unparsed_remedy(task: TaskReport, run: Run) -> str:
    if run.record["model"]["identity"].get("score"):
        return (
            "no severity is among the likely first tokens. See that the prompt asks for one word, "
            "and that the model does not reason before it answers."
        )
    sampling = run.record["model"]["identity"].get("sampling")
    one_token = isinstance(sampling, dict) and sampling.get("max_tokens") == 1
    truncated = 0.0 if one_token else _truncated(run)
    if truncated >= 0.5:
        return (
            f"{format_share(truncated)} of them were cut off at the bound on an answer's tokens. "
            "Give a larger --max-tokens."
        )
    return task.unparsed_remedy(run)


def _truncated(run: Run) -> float:
    """About what share of the answers that could not be read ended at a bound on tokens.

    By how the server says that they ended, or by their length where it does not.
    """
    unparsed = scan_judgments(run).filter(pl.col("outcome") == Outcome.UNPARSED.value)
    rows = unparsed.select("request_key", "output_tokens").head(_EXAMINED).collect()
    if rows.is_empty():
        return 0.0
    identity = run.record["model"]["identity"]
    bound = (identity.get("sampling") or identity).get("max_tokens")
    long = rows["output_tokens"] >= bound if isinstance(bound, int) else None
    try:
        stored = run.responses(rows["request_key"].unique().to_list())
    except VlsuError:  # the words are enough to report a run
        stored = {}
    ended = {key: bool(_TRUNCATED.search(each.raw.body)) for key, each in stored.items()}
    truncated = [
        ended.get(key, False) or bool(long is not None and long[place])
        for place, key in enumerate(rows["request_key"])
    ]
    return sum(truncated) / len(truncated)
