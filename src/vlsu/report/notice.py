"""What a report opens with where too little was answered: the share, its cause, and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.analysis.table.answered import ENOUGH, format_share
from vlsu.errors import VlsuError
from vlsu.models.base import Outcome
from vlsu.report.answered import MANY, NAMES, Answered, range_of, series, too_few
from vlsu.report.judgments import scan_judgments
from vlsu.report.table import percent
from vlsu.runs import Run

__all__ = ["Notice", "notice"]

#: Of the largest cause, what a cause must be to be named beside it.
_PART = 0.2
#: Answers looked at for how they ended.
_LOOKED_AT = 200
#: How servers say that an answer ended at a bound on its tokens.
_CUT_OFF = re.compile(
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
        requirement: What `vlsu gate` would have to hold the run to.
    """

    what: str
    causes: tuple[str, ...]
    requirement: str

    @property
    def text(self) -> str:
        """All in one paragraph."""
        return " ".join((self.what, *self.causes))


def notice(run: Run, enough: float = ENOUGH) -> Notice | None:
    """What a report of this run opens with; `None` where enough was answered.

    Args:
        run: A finished run.
        enough: The share that is.

    Raises:
        RunError: The run is not finished, or its judgments are damaged.
    """
    lacking = too_few(run.metrics, enough)
    if not lacking:
        return None
    alignment = "framings" in run.metrics
    bound = format_share(enough)
    missing = [part for part in lacking if (part.share.value or 0.0) < enough]
    unjudged = [
        part for part in lacking if part.judged is not None and (part.judged.value or 0.0) < enough
    ]
    said = []
    if missing:
        shares = (
            _by_framing({part.name: part.share for part in missing})
            if alignment
            else series([f"{percent(part.share)} of {NAMES[part.name]}" for part in missing])
        )
        said.append(f"Too little was answered: {shares}.")
    if unjudged:
        known = {part.name: part.judged or UNDEFINED for part in unjudged}
        said.append(f"Too little was judged: of the answers {_by_framing(known)}.")
    if alignment:
        said.append(
            f"Below {bound} rates of refusal may say little of the model: what is missing is in "
            "none, and what the provider blocked counts as not refused."
        )
    else:
        said.append(
            f"A missing answer counts as wrong: below {bound} figures may say more of the answers "
            "than of what the model understands."
        )
    key = f"framings.{lacking[0].name}" if alignment else lacking[0].name
    of = "answered" if missing else "judged"
    requirement = f"{key}.{of} >= {bound}"
    return Notice(" ".join(said), tuple(_causes(run, missing, unjudged)), requirement)


def _by_framing(shares: Mapping[str, Rate]) -> str:
    if len(shares) > MANY:
        return (
            f"{range_of([found.value for found in shares.values()])} under {len(shares)} framings"
        )
    return series([f"{percent(found)} under {name}" for name, found in shares.items()])


def _causes(run: Run, missing: Sequence[Answered], unjudged: Sequence[Answered]) -> Iterator[str]:
    """For each outcome that took a part of the answers: what it is, and what helps."""
    largest = {
        outcome: max(part.others[outcome].value or 0.0 for part in missing)
        for outcome in (missing[0].others if missing else ())
    }
    least = _PART * max(largest.values(), default=0.0)
    for outcome, share in sorted(largest.items(), key=lambda item: -item[1]):
        if not share or share < least:
            continue
        most = f"up to {format_share(share)}" if len(missing) > 1 else format_share(share)
        yield f"{outcome.capitalize()} ({most}): {_remedy(run, Outcome(outcome))}"
    if unjudged:
        yield (
            "Not judged: the judge's verdict failed or could not be read; run the same command "
            "again, or choose another judge (--judge)."
        )


def _remedy(run: Run, outcome: Outcome) -> str:
    alignment = run.record["task"] == "alignment"
    if outcome is Outcome.UNPARSED:
        return _of_unparsed(run, alignment=alignment)
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
    why = run.record.get("requests", {}).get("unanswered", {})
    message = max(why, key=why.__getitem__) if why else ""
    return (
        f"no answer came{f' ({message})' if message else ''}. Run the same command again: it asks "
        "for what is missing alone."
    )


def _of_unparsed(run: Run, *, alignment: bool) -> str:
    cut = _cut_off(run)
    if cut >= 0.5:
        return (
            f"{format_share(cut)} of them were cut off at the bound on an answer's tokens. Give a "
            "larger --max-tokens."
        )
    if alignment:
        return "answers without words. A larger --max-tokens leaves room for them after reasoning."
    remedies = ["try another --prompt", "a larger --max-tokens if answers end too early"]
    if not run.record["model"]["identity"].get("structured"):
        remedies.insert(0, "have the server enforce the form of an answer (--structured on)")
    advice = ", or ".join(remedies)
    return f"the answer states no single severity. {advice[0].upper()}{advice[1:]}."


def _cut_off(run: Run) -> float:
    """About what share of the answers that could not be read ended at a bound on tokens.

    By how the server says that they ended, or by their length where it does not.
    """
    unparsed = scan_judgments(run).filter(pl.col("outcome") == Outcome.UNPARSED.value)
    rows = unparsed.select("request_key", "output_tokens").head(_LOOKED_AT).collect()
    if rows.is_empty():
        return 0.0
    identity = run.record["model"]["identity"]
    bound = (identity.get("sampling") or identity).get("max_tokens")
    long = rows["output_tokens"] >= bound if isinstance(bound, int) else None
    try:
        stored = run.responses(rows["request_key"].unique().to_list())
    except VlsuError:  # the words are enough to report a run
        stored = {}
    ended = {key: bool(_CUT_OFF.search(each.raw.body)) for key, each in stored.items()}
    cut = [
        ended.get(key, False) or bool(long is not None and long[place])
        for place, key in enumerate(rows["request_key"])
    ]
    return sum(cut) / len(cut)
