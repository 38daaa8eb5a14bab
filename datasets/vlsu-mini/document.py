"""Write what follows from the sources: `NOTICE-images.md`, and the counts in `README.md`."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from build import Source, read_sources

from vlsu.policy import PATTERNS, Severity, default_policy

HERE = Path(__file__).parent
BEGIN = "<!-- counts: written by document.py -->"
END = "<!-- end of counts -->"

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


def main() -> None:
    """Write both files."""
    (HERE / "NOTICE-images.md").write_text(notice(), encoding="utf-8", newline="\n")
    readme = HERE / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    text = f"{before}{BEGIN}\n{counts(read_sources())}\n{END}{after}"
    readme.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
