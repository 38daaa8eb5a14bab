"""What is shown of the swap probe: how far each half of a pair moves the answer to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vlsu.analysis.results import Exchange, Metrics, Moves
from vlsu.analysis.stats.intervals import Rate
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import IntervalMark, Spec, interval_chart
from vlsu.report.table import ABSENT, Table, format_change, format_rate, percent
from vlsu.report.understanding.modalities import unsafe_alone

__all__ = ["compared_swaps", "swap_charts", "swap_sentence", "swap_tables"]

_INTERVAL = "[95% interval]"
#: Key of an exchange's part in `metrics.json` -> its words; none: all of them.
_DIRECTIONS: Mapping[str, str] = {"": "any", "worse": "to a worse one", "milder": "to a milder one"}
_SHIFT = "Shift: by how many severity levels it moved in that direction, on average. "
_SHARES: Mapping[str, str] = {
    "followed": "followed",
    "unmoved": "unmoved",
    "against": "moved against it",
}


def swap_tables(metrics: Metrics) -> list[Table]:
    """The table of a run with the probe; none of another."""
    if not metrics.get("swap"):
        return []
    exchanges, in_levels = _exchanges(metrics), not unsafe_alone(metrics)
    rows = [
        (
            f"{half}, {words}",
            *(format_rate(Rate.from_json(part[key])) for key in _SHARES),
            *([format_change(part.shift)] if in_levels else []),
            ABSENT if part.levels is None else f"{part.levels:.2f}",
            f"{part.n:,}",
        )
        for half, words, part in _parts(metrics)
    ]
    answered = ", ".join(
        f"{half} {percent(each.answered)} of {each.pairs:,}" for half, each in exchanges.items()
    )
    apart = metrics.swap.image_minus_text
    shifts = ""
    if in_levels:
        shifts = (
            f"Shift of the image less that of the text: {format_change(apart.shift)} over "
            f"{apart.n:,} samples. "
        )
    return [
        Table(
            "swap",
            "One half is exchanged: does the answer move?",
            (
                "half that was exchanged",
                *(f"{name} {_INTERVAL}" for name in _SHARES.values()),
                *([f"shift in levels {_INTERVAL}"] if in_levels else []),
                "change of the half",
                "n",
            ),
            tuple(rows),
            "Of pairs whose image or text was exchanged for one of another gold grade: followed, "
            "the answer moved towards the severity of the new half. "
            f"{_SHIFT if in_levels else ''}Change of the half: by how many severity levels its "
            "gold grade changed. An exchanged pair has no gold grade, so nothing is right or "
            f"wrong here; an answer that is unsafe already cannot become worse. {shifts}"
            f"Answered before and after, which the rest is over: {answered}.",
        )
    ]


def swap_charts(metrics: Metrics) -> dict[str, Spec]:
    """What share of the answers followed, stayed, or moved against the exchange."""
    if not metrics.get("swap"):
        return {}
    marks = [
        IntervalMark(f"{half}, {words}", Rate.from_json(part[key]), part.n, name)
        for half, words, part in _parts(metrics)
        for key, name in _SHARES.items()
    ]
    if not marks:
        return {}
    colours = (colour("right"), colour("muted"), colour("wrong"))
    return {
        "swap": interval_chart(
            marks,
            description="Shares of answers to pairs that followed when one half was exchanged, "
            "did not move, or moved the other way",
            axis="share of exchanged pairs",
            colours=dict(zip(_SHARES.values(), colours, strict=True)),
        )
    }


def swap_sentence(metrics: Metrics) -> str:
    """How far each half moves the answer, and whether one of them further; empty without probe."""
    if not metrics.get("swap"):
        return ""
    exchanges = {half: each for half, each in _exchanges(metrics).items() if each.n}
    if len(exchanges) < 2:
        return ""
    image, text = exchanges["image"], exchanges["text"]
    first = (
        f"The answer followed {percent(image.followed)} of the images exchanged for one of another "
        f"grade and {percent(text.followed)} of the texts"
    )
    if unsafe_alone(metrics):  # it has no levels to move by
        return f"{first}."
    shifts = f"by {image.shift.value or 0:.2f} and {text.shift.value or 0:.2f} severity levels"
    apart = metrics.swap.image_minus_text.shift
    if apart.low is None or apart.high is None or apart.low <= 0 <= apart.high:
        return f"{first}; on average it moved {shifts}, which is no difference that can be claimed."
    more = "image" if apart.low > 0 else "text"
    return f"{first}; on average it moved {shifts}: the {more} moves it further."


def compared_swaps(metrics: Mapping[str, Metrics]) -> list[Table]:
    """The probes of several runs side by side; none where not all have one.

    Args:
        metrics: Name of a run -> its metrics.
    """
    if not metrics or not all(each.get("swap") for each in metrics.values()):
        return []
    rows = []
    for name, each in metrics.items():
        parts = _exchanges(each).values()
        rows.append(
            (
                name,
                *(format_rate(part.followed) for part in parts),
                *(format_change(part.shift) for part in parts),
                format_change(each.swap.image_minus_text.shift),
                "–".join(f"{n:,}" for n in sorted({part.n for part in parts})),
            )
        )
    halves = ("image", "text")
    return [
        Table(
            "swap",
            "How far each half moves the answer",
            (
                "run",
                *(f"followed the {half} {_INTERVAL}" for half in halves),
                *(f"shift by the {half} {_INTERVAL}" for half in halves),
                f"image less text {_INTERVAL}",
                "n",
            ),
            tuple(rows),
            "Of runs with --probe swap, each over its own exchanged pairs. Followed: the answer "
            "moved towards the severity of the new half; shift: by how many severity levels, on "
            "average. Intervals that overlap do not show that two runs are alike, nor the reverse.",
        )
    ]


def _exchanges(metrics: Metrics) -> dict[str, Exchange]:
    return {"image": metrics.swap.image, "text": metrics.swap.text}


def _parts(metrics: Metrics) -> Iterator[tuple[str, str, Moves]]:
    """Half, direction in words, and what there is of it; only what there is."""
    for half, exchange in _exchanges(metrics).items():
        for key, words in _DIRECTIONS.items():
            part = Moves(exchange[key]) if key else exchange
            if part.n:
                yield half, words, part
