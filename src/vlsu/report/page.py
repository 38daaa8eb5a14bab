"""The HTML page: one file that opens from disk, asks no host for anything and runs nothing foreign.

Texts of dataset and model reach the page in two ways only: through the template, which escapes
them, and as JSON in a script element that is data, not code. The content security policy allows
exactly the two scripts and the stylesheet of this package, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vlsu._version import __version__
from vlsu.errors import VlsuError
from vlsu.policy import MODALITIES, Family
from vlsu.report import charts
from vlsu.report.dots import CONFIG, Spec
from vlsu.report.samples import ShownJudgment, ShownSample, shown_samples
from vlsu.report.table import rate
from vlsu.report.tables import (
    FAMILY_MEANING,
    SCORES,
    category_titles,
    comparison_table,
    one_task,
    run_tables,
)
from vlsu.report.thumbnails import Thumbnail
from vlsu.report.words import baseline_note, date_of, headline_sentence, notes
from vlsu.runs import Run

__all__ = [
    "comparison_page",
    "description_of",
    "embedded_json",
    "render",
    "run_page",
    "sample_data",
]

#: Bytes of sample texts, and of thumbnails, in a page at most.
SAMPLE_BYTES = 3_500_000
THUMBNAIL_BYTES = 4_500_000

#: What no UTF-8 file can hold, or no HTML should: controls and halves of surrogate pairs.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def run_page(run: Run) -> str:
    """The page of one run.

    Raises:
        RunError: The run is not finished.
    """
    metrics = run.metrics
    tables = {table.name: table for table in run_tables(run)}
    shown = shown_samples(run)
    specs = _charts(run)
    data = sample_data(map(_entry, shown.samples), shown.thumbnails)
    return render(
        "run.html.jinja",
        {"charts": specs, "config": CONFIG, **data},
        title=f"{run.record['model']['spec']} on {run.record['dataset']['name']}",
        record=run.record,
        metrics=metrics,
        tables=tables,
        specs=specs,
        headline=headline_sentence(metrics),
        date=date_of(run),
        baseline=baseline_note(run),
        description=description_of(run),
        tiles=_tiles(run),
        families=_families(metrics),
        modalities=MODALITIES,
        shown=len(data["samples"]),
        total=shown.total,
        trouble=shown.trouble,
    )


def comparison_page(runs: Sequence[Run]) -> str:
    """The page of several runs: their headlines side by side.

    Raises:
        RunError: One of them is not finished.
    """
    return render(
        "comparison.html.jinja",
        {"charts": {}, "config": CONFIG},
        title="Runs side by side",
        task=one_task(runs),
        table=comparison_table(runs),
        notes=[(r.record["model"]["spec"], note) for r in runs for note in notes(r)],
    )


def embedded_json(value: object) -> Markup:
    """JSON that can stand in a script element: it holds no ``<``, ``>`` or ``&``, all is ASCII.

    Half a surrogate pair, a null byte and the line separators JavaScript once stumbled over are
    escapes like any other character beyond ASCII.
    """
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    escaped = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(escaped)  # noqa: S704 - nothing in it can end the element or start another


def _charts(run: Run) -> dict[str, Spec]:
    metrics = run.metrics
    return {
        **{f"patterns-{f.value}": charts.pattern_chart(metrics, f) for f in Family},
        "modalities": charts.modalities_chart(metrics),
        **{f"confusion-{m}": charts.confusion_chart(metrics, m) for m in MODALITIES},
        "attribution": charts.attribution_chart(metrics),
        "late-fusion": charts.late_fusion_chart(metrics),
        "dominance": charts.dominance_chart(metrics),
        "categories": charts.categories_chart(metrics, category_titles(run)),
        "outcomes": charts.outcomes_chart(metrics),
    }


def _families(metrics: Mapping[str, Any]) -> list[dict[str, object]]:
    found = metrics["families"]
    return [
        {
            "family": family,
            "meaning": FAMILY_MEANING[family],
            "accuracy": rate(found[family.value]["accuracy"]),
            "n": found[family.value]["n"],
        }
        for family in Family
    ]


def _tiles(run: Run) -> list[dict[str, object]]:
    joint = run.metrics["joint"]
    what = {
        "accuracy": "of all pairs",
        "f1_macro": "safe, borderline, unsafe alike",
        "f1_binary": "unsafe against the rest",
        "f1_binary_strict": "borderline and unsafe against safe",
    }
    return [{"name": SCORES[k], "rate": rate(joint[k]), "what": words} for k, words in what.items()]


def description_of(run: Run) -> str:
    """What the dataset says of itself; empty if it is not at hand."""
    try:
        return run.dataset.info.description
    except VlsuError:
        return ""


def sample_data(
    entries: Iterable[Mapping[str, object]], thumbnails: Mapping[str, Thumbnail]
) -> dict[str, Collection[object]]:
    """The samples for the page's script as far as they fit, and their pictures by hash."""
    samples: list[Mapping[str, object]] = []
    room = SAMPLE_BYTES
    for entry in entries:
        room -= len(embedded_json(entry))
        if room < 0:
            break
        samples.append(entry)
    pictures: dict[str, dict[str, object]] = {}
    room = THUMBNAIL_BYTES
    for sha256 in dict.fromkeys(str(s["image"]) for s in samples if s["image"]):
        picture = thumbnails.get(sha256)
        if picture is None or picture.uri is None:
            pictures[sha256] = {"reason": picture.reason if picture else "not at hand"}
        elif len(picture.uri) > room:
            pictures[sha256] = {"reason": "left out to keep the page small"}
        else:
            room -= len(picture.uri)
            size = {"width": picture.width, "height": picture.height}
            pictures[sha256] = {"uri": picture.uri, **size}
    return {"samples": samples, "pictures": pictures}


def _entry(sample: ShownSample) -> dict[str, object]:
    pattern, joint = sample.pattern, sample.judgments["joint"]
    return {
        "id": sample.id,
        "text": sample.text,
        "textCut": sample.text_cut,
        "image": sample.image,
        "reason": sample.reason,
        "answer": sample.answer,
        "answerCut": sample.answer_cut,
        "pattern": None if pattern is None else str(pattern),
        "family": None if pattern is None else pattern.family.value,
        "category": joint.gold_category,
        "outcome": joint.outcome or "not asked",
        "right": joint.right,
        "judgments": {m: _judgment(sample.judgments[m]) for m in MODALITIES},
    }


def _judgment(judgment: ShownJudgment) -> dict[str, object]:
    return {
        "gold": judgment.gold,
        "goldCategory": judgment.gold_category,
        "predicted": judgment.predicted,
        "category": judgment.category,
        "outcome": judgment.outcome,
        "right": judgment.right,
    }


def render(template: str, data: Mapping[str, object], **context: object) -> str:
    """A page from a template of this package, with its data, stylesheet, scripts and policy."""
    style = _static("report.css")
    scripts = [_static("charts.js"), _static("report.js")]
    sources = {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": _source(style),
        "script-src": " ".join(map(_source, scripts)),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    page = (
        _environment()
        .get_template(template)
        .render(
            policy="; ".join(f"{name} {value}" for name, value in sources.items()),
            style=style,
            scripts=scripts,
            data=embedded_json(data),
            version=__version__,
            **context,
        )
    )
    return _UNPRINTABLE.sub("\ufffd", page)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("vlsu.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["bounds"] = lambda r: f"[{r.low:.2f}, {r.high:.2f}]"
    return environment


@cache
def _static(name: str) -> Markup:
    """A script or stylesheet of this package, to stand in the page as it is."""
    text = files("vlsu.report").joinpath("static", name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - our own file, hashed into the page's policy


def _source(code: str) -> str:
    """The expression by which a content security policy allows this code."""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return f"'sha256-{digest}'"
