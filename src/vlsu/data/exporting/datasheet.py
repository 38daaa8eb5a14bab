"""The datasheet of an export, after Gebru et al. (2021), *Datasheets for Datasets*.

Figures are computed from the samples; prose is the author's, from ``dataset.yaml``. A question that
the author has not answered is shown as unanswered, with the key it is answered under.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vlsu._text import one_line
from vlsu.data.exporting.about import About
from vlsu.data.exporting.questions import QUESTIONS, SECTIONS, lines, unanswered
from vlsu.policy import Severity

__all__ = ["datasheet", "figures_tables"]

#: Rows of a table of names that only the data knows, at most.
_MOST_ROWS = 40


def datasheet(about: About) -> str:
    """The datasheet as Markdown."""
    info = about.info
    open_ = len(unanswered(about.answers))
    parts = [
        f"# Datasheet of {_plain(info.name)} {_plain(info.version)}",
        "",
        "After Gebru et al. (2021), *Datasheets for Datasets*, doi:10.1145/3458723. Figures are "
        "computed from the samples; the answers are the author's.",
        *(
            [
                f"{open_} of {len(QUESTIONS)} questions are unanswered: the author answers them "
                "under `datasheet` in `dataset.yaml` and exports again."
            ]
            if open_
            else []
        ),
        "",
    ]
    computed = {"Composition": _composition, "Distribution": _distribution}
    for section in SECTIONS:
        parts += [f"## {section}", ""]
        if section in computed:
            parts += computed[section](about)
        for question in QUESTIONS:
            if question.section == section:
                parts += [f"**{question.text}**", "", *_answer(about, question.key), ""]
    return "\n".join(parts)


def _answer(about: About, key: str) -> list[str]:
    found = [_block(text) for text in lines(about.answers, key)]
    if not found:
        return [f"*Unanswered (`datasheet.{key}` in `dataset.yaml`).*"]
    return found if len(found) == 1 else [f"- {text}" for text in found]


def _composition(about: About) -> list[str]:
    counts = about.info.counts
    length = about.text_length
    figures = [
        ("samples", about.samples),
        ("different images", counts.get("images", 0)),
        ("samples without an image in this export", about.without_image),
        ("samples whose image says where it was taken", about.placed),
        ("samples without a text", counts.get("without_text", 0)),
        ("samples without any grade", about.figures["without_grade"]),
    ]
    shared = about.figures["shared"]
    if isinstance(shared, Mapping):
        figures += [
            (f"samples that share {words} with another", shared[what]["samples"])
            for what, words in (("image", "an image"), ("text", "a text"), ("group", "a group"))
        ]
    if length is not None:
        low, middle, high = length
        figures.append(
            ("characters of a text: least, median, greatest", f"{low}, {middle:g}, {high}")
        )
    three = len(about.policy.severities) == len(Severity)
    harmful = ("unsafe or borderline", "borderline or unsafe") if three else ("unsafe", "unsafe")
    return [
        "A sample is an image and a text with up to three gold grades: of the image alone, of the "
        f"text alone, and of both together, each {_either(about)}.",
        "",
        *_table(("figure", "value"), figures),
        *figures_tables(about),
        "**Does it hold content that may offend or disturb?** "
        + (
            f"Yes: by the grades {_unsafe(about)} samples have a part that is {harmful[0]}."
            if _unsafe(about)
            else f"No sample is graded {harmful[1]}{_but_ungraded(about)}."
        ),
        "",
    ]


def _unsafe(about: About) -> int:
    """Samples that are not safe throughout, as far as graded."""
    return (
        about.samples
        - about.counts("patterns").get("S-S-S", 0)
        - _int(about.figures["without_pattern"])
    )


def _either(about: About) -> str:
    """The severities of the policy, as alternatives."""
    *milder, worst = (severity.label for severity in about.policy.severities)
    return f"{', '.join(milder)} or {worst}"


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0


def _but_ungraded(about: About) -> str:
    without = about.figures["without_grade"]
    return f"; {without} samples have no grade, and may" if without else ""


def figures_tables(about: About) -> list[str]:
    """Markdown tables of severities, patterns, categories and languages."""
    parts = []
    severities = about.by_modality("severities")
    parts += _by_modality("severity", severities)
    patterns = [(name, n) for name, n in about.counts("patterns").items() if n]
    without = about.figures["without_pattern"]
    parts += _table(
        ("pattern (image-text-joint)", "samples"), [*patterns, ("a grade is absent", without)]
    )
    parts += _by_modality("category", about.by_modality("categories"))
    languages = [(_plain(name), n) for name, n in about.counts("languages").items()]
    if languages:
        parts += _table(("language", "samples"), languages[:_MOST_ROWS])
    return parts


def _by_modality(head: str, counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    names = list(dict.fromkeys(name for each in counts.values() for name in each))
    rows = [(_plain(name), *(each.get(name, 0) for each in counts.values())) for name in names]
    shown = [row for row in rows if any(row[1:])]
    return _table((head, *counts), shown[:_MOST_ROWS])


def _distribution(about: About) -> list[str]:
    licence = about.licence
    where = f" ({licence.url})" if licence.url else ""
    restricted = f" It is restricted: {', '.join(licence.restrictions)}." * bool(
        licence.restrictions
    )
    files = about.layout.files
    total = sum(file.size for file in files)
    return [
        f"Licence: {_plain(licence.name)}{where}.{restricted}",
        *([about.right_sentence] if about.right_sentence else []),
        "",
        f"Format: {about.layout.format}, {len(files)} file{'s' * (len(files) != 1)} of "
        f"{total:,} bytes, described in Croissant 1.1. Content hash: `{about.content_hash}`.",
        *([about.stripped_sentence] if about.stripped else []),
        f"Source: {_plain(about.info.source)}.",
        *_sample_licences(about),
        *([f"Cite: `{_plain(about.info.citation)}`"] if about.info.citation else []),
        "",
    ]


def _sample_licences(about: About) -> list[str]:
    if not about.sample_licences:
        return []
    rows = [(_plain(name), n) for name, n in about.sample_licences.items()]
    return ["", *_table(("licence stated by samples", "samples"), rows[:_MOST_ROWS])]


def _table(heads: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        f"|{'|'.join(['---'] + ['---:'] * (len(heads) - 1))}|",
        *(f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |" for row in rows),
        "",
    ]


def _plain(text: str) -> str:
    """A text of the dataset as one line that is no markup."""
    return one_line(text, 500).replace("<", "&lt;").replace("`", "'")


def _block(text: str) -> str:
    """The author's prose; paragraphs stay, HTML does not."""
    return text.replace("<", "&lt;")
