"""Latency and tokens of a run's requests, from its judgments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import SIZING, Spec
from vlsu.report.table import ABSENT, Table
from vlsu.runs.columns import has_response

__all__ = ["Usage", "latency_chart", "usage", "usage_table"]

#: Quantiles of the latency that are shown.
_QUANTILES = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one kind of request, such as those about a modality; a request is counted once.

    Attributes:
        requests: How many different ones have a response.
        latency_s: ``"p50"`` and so on -> seconds; `None` where none is known, as of a batch.
        input_tokens: Sum over the requests; `None` if the server reports none.
        output_tokens: The same of the answers.
    """

    name: str
    requests: int
    latency_s: Mapping[str, float | None]
    input_tokens: int | None
    output_tokens: int | None


def usage(judgments: pl.LazyFrame, by: str, names: Sequence[str]) -> tuple[Usage, ...]:
    """Latency and tokens by a column of the judgments; a request for several samples counts once.

    Args:
        judgments: Of a run.
        by: The column, such as ``modality``.
        names: Its values, in the order of the result; one without a response is left out.
    """
    found = (_usage(name, judgments.filter(pl.col(by) == name)) for name in names)
    return tuple(of for of in found if of.requests)


def _usage(name: str, judgments: pl.LazyFrame) -> Usage:
    tokens = ("input_tokens", "output_tokens")
    # By the hashes of the keys: a million keys are 64 MB of text.
    requests = (
        judgments.filter(has_response())
        .select("latency_s", *tokens, key=pl.col("request_key").hash())
        .collect(engine="streaming")
        .filter(pl.col("key").is_first_distinct())
        .drop("key")
    )
    latency = requests.drop_in_place("latency_s")
    seconds = latency.filter(latency > 0).sort()  # earlier versions wrote 0 for a batch
    return Usage(
        name,
        requests.height,
        {q: seconds.quantile(share, "linear") for q, share in _QUANTILES.items()},
        *(int(c.sum()) if c.count() else None for c in requests),
    )


def usage_table(usages: Sequence[Usage], unit: str) -> Table:
    """A row a kind of request."""
    return Table(
        "usage",
        "Latency and tokens",
        (unit, "requests", "median s", "p95 s", "p99 s", "input tokens", "output tokens"),
        tuple(
            (
                part.name,
                str(part.requests),
                *(_seconds(part.latency_s[q]) for q in ("p50", "p95", "p99")),
                *(ABSENT if n is None else str(n) for n in (part.input_tokens, part.output_tokens)),
            )
            for part in usages
        ),
        "Of the different requests that have a response; one that served several samples counts "
        "once. Seconds from sending to the last byte, of the last attempt. Tokens as the server "
        "counts them, summed. A batch says nothing of seconds.",
    )


def _seconds(number: float | None) -> str:
    """Three digits that count: 12.3, 1.23, 0.0123."""
    if number is None:
        return ABSENT
    if number <= 0:
        return "0"
    places = 2 - math.floor(math.log10(number))
    return f"{number:,.{min(max(places, 0), 6)}f}"


def latency_chart(usages: Sequence[Usage], unit: str) -> Spec | None:
    """Median, middle half and middle nine tenths of the latencies of each kind of request.

    `None` where no latency is known.
    """
    data = [
        {
            "name": part.name,
            **part.latency_s,
            "half": f"{_seconds(part.latency_s['p25'])} to {_seconds(part.latency_s['p75'])} s",
            "most": f"{_seconds(part.latency_s['p5'])} to {_seconds(part.latency_s['p95'])} s",
            "median": f"{_seconds(part.latency_s['p50'])} s",
            "n": f"{part.requests:,}",
        }
        for part in usages
        if part.latency_s["p50"] is not None
    ]
    if not data:
        return None

    def x(quantile: str) -> Spec:
        return {
            "field": quantile,
            "type": "quantitative",
            "title": "seconds",
            "scale": {"zero": True},
        }

    bar = {"type": "bar", "color": colour("joint")}
    return {
        "description": f"Latency of the requests by {unit}",
        **SIZING,
        "height": 34 * len(data),
        "data": {"values": data},
        "encoding": {
            "y": {
                "field": "name",
                "type": "nominal",
                "sort": None,
                "axis": {"title": None, "domain": False, "ticks": False, "labelPadding": 8},
            },
            "tooltip": [
                {"field": "name", "title": unit},
                {"field": "median", "title": "median"},
                {"field": "half", "title": "middle half"},
                {"field": "most", "title": "90% in the middle"},
                {"field": "n", "title": "requests"},
            ],
        },
        "layer": [
            {
                "mark": {**bar, "height": 4, "opacity": 0.35},
                "encoding": {"x": x("p5"), "x2": {"field": "p95"}},
            },
            {
                "mark": {**bar, "height": 14, "opacity": 0.55},
                "encoding": {"x": x("p25"), "x2": {"field": "p75"}},
            },
            {
                "mark": {"type": "tick", "thickness": 3, "size": 20, "color": colour("joint")},
                "encoding": {"x": x("p50")},
            },
        ],
    }
