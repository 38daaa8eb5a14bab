"""Write what follows from the sources: `NOTICE-images.md`, counts and agreement in `README.md`."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import numpy as np

from build import Source, read_sources
from vlsu.analysis.agreement.coefficients import Votes, alpha
from vlsu.policy import PATTERNS, Severity, default_policy

HERE = Path(__file__).parent
MARKERS = {
    "counts": ("<!-- counts: written by document.py -->", "<!-- end of counts -->"),
    "agreement": ("<!-- agreement: written by document.py -->", "<!-- end of agreement -->"),
}

HEAD = """\
# Images of vlsu-mini: sources, authors, licences

Photographs and drawings were flattened onto white, made smaller and saved anew (`collect.py`);
drawings were trimmed. Rendered images were drawn by `render.py` with the DejaVu fonts 2.37, of
which only rendered pixels are contained. The table is written by `document.py` from `images.csv`.
"""

TAIL = """
## Licence texts

CC0-1.0: <https://creativecommons.org/publicdomain/zero/1.0/>.
CC-BY-2.0: <https://creativecommons.org/licenses/by/2.0/>; the two photographs were made smaller.
Apache-2.0: see LICENSE.
"No known copyright restrictions" is the statement of the Brooklyn Museum on its photograph.
"Public domain dedication" is the Creative Commons Public Domain Dedication, as the package states
it for every drawing of the Open Clip Art Library.

Fluent Emoji (MIT):

    Copyright (c) Microsoft Corporation.
    Copyright (c) 2023 LobeHub

    Permission is hereby granted, free of charge, to any person obtaining a copy of this software
    and associated documentation files (the "Software"), to deal in the Software without
    restriction, including without limitation the rights to use, copy, modify, merge, publish,
    distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
    Software is furnished to do so, subject to the following conditions:

    The above copyright notice and this permission notice shall be included in all copies or
    substantial portions of the Software.

    THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING
    BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
    NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM,
    DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
    OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def notice() -> str:
    """The whole of `NOTICE-images.md`."""
    with (HERE / "images.csv").open(encoding="utf-8", newline="") as rows:
        images = sorted(csv.DictReader(rows), key=lambda row: (row["package"], row["file"]))
    parts = [HEAD]
    for package, group in groupby(images, key=lambda row: row["package"]):
        listed = [(r["file"], r["title"], r["original"], r["author"], r["licence"]) for r in group]
        head = ("file", "shows", "made from", "author", "licence")
        parts.append(f"\n## From {package}: {len(listed)} images\n\n")
        parts.append(table(head, listed))
    return "".join([*parts, TAIL])


def counts(sources: list[Source]) -> str:
    """The tables of counts in `README.md`."""
    patterns = Counter(row.pattern for row in sources)
    languages = Counter(row.language for row in sources)
    columns = ("image", "text", "joint")
    grades = {c: Counter(getattr(row, f"{c}_grade") for row in sources) for c in columns}
    harms = {c: Counter(getattr(row, f"{c}_category") for row in sources) for c in columns}
    anywhere = Counter(
        category
        for row in sources
        for category in {row.image_category, row.text_category, row.joint_category}
    )
    marks = {
        "at risk": sum(row.at_risk != "" for row in sources),
        "ask for nothing": sum(row.asks != "" for row in sources),
        "critical": sum(row.critical != "" for row in sources),
        "contested": sum(row.admissible != "" for row in sources),
    }
    shared = sum(n > 1 for n in Counter(row.text for row in sources).values())
    return "\n".join(
        [
            f"{len(sources)} samples, {len({row.image for row in sources})} images, "
            f"{len({row.text for row in sources})} texts ({shared} of them with several images), "
            f"{len({row.group for row in sources})} groups.",
            "",
            table(("pattern", "family", "samples"), ((p, p.family, patterns[p]) for p in PATTERNS)),
            table(
                ("severity", *columns),
                ((s.label, *(grades[c][s.label] for c in columns)) for s in Severity),
            ),
            table(
                ("category", *columns, "any of the three"),
                (
                    (f"{c.id} {c.name}", *(harms[m][c.id] for m in columns), anywhere[c.id])
                    for c in default_policy().categories
                ),
            ),
            "Languages: " + ", ".join(f"{k} {n}" for k, n in languages.most_common()) + ".",
            "",
            "Marks: " + ", ".join(f"{k} {n}" for k, n in marks.items()) + ".",
        ]
    )


def agreement(sources: list[Source]) -> str:
    """How far the blind readers agree: with each other, with the first grades, with today's."""
    graded: dict[str, dict[str, list[dict[str, str]]]] = {"image": {}, "text": {}, "joint": {}}
    with (HERE / "readers.csv").open(encoding="utf-8", newline="") as rows:
        readers = list(csv.DictReader(rows))
    by_id = {row.id: row for row in sources}
    for reading in readers:
        row = by_id[reading["id"]]
        unit = {"image": row.image, "text": row.text, "joint": row.id}
        for part, units in graded.items():
            units.setdefault(unit[part], []).append(reading)
    first = _first_grades(by_id)
    lines = []
    for part, units in graded.items():
        column = f"{part}_grade"
        now = [getattr(by_id[unit[0]["id"]], column) for unit in units.values()]
        before = [first.get((part, name), grade) for name, grade in zip(units, now, strict=True)]
        one, two = ([unit[k][column] for unit in units.values()] for k in (0, 1))
        cells = [
            f"{_same(a, b):.3f} ({_ordinal_alpha(a, b):.3f})"
            for a, b in ((one, two), (before, one), (before, two), (now, one), (now, two))
        ]
        lines.append((part, len(units), *cells))
    head = ("graded", "n", "1 with 2", "first with 1", "first with 2", "now with 1", "now with 2")
    return table(head, lines)


def _first_grades(by_id: dict[str, Source]) -> dict[tuple[str, str], str]:
    """Grades before the readers' were seen, of what `disputes.csv` names by part and unit."""
    with (HERE / "disputes.csv").open(encoding="utf-8", newline="") as rows:
        return {
            (
                row["part"],
                {"image": row["image"], "text": by_id[row["id"]].text, "joint": row["id"]}[
                    row["part"]
                ],
            ): row["first"]
            for row in csv.DictReader(rows)
        }


def _same(one: list[str], two: list[str]) -> float:
    return sum(a == b for a, b in zip(one, two, strict=True)) / len(one)


def _ordinal_alpha(one: list[str], two: list[str]) -> float:
    confusion = np.zeros((3, 3))
    for a, b in zip(one, two, strict=True):
        confusion[Severity.parse(a).value, Severity.parse(b).value] += 1
    return float(alpha(Votes.from_table(confusion), ordinal=True).coefficient)


def main() -> None:
    """Write both files."""
    (HERE / "NOTICE-images.md").write_text(notice(), encoding="utf-8", newline="\n")
    readme = HERE / "README.md"
    text = readme.read_text(encoding="utf-8")
    sources = read_sources()
    for part, written in (("counts", counts(sources)), ("agreement", agreement(sources))):
        begin, end = MARKERS[part]
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{written}\n{end}{rest.partition(end)[2]}"
    readme.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
