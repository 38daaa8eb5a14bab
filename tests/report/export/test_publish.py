"""What goes into a paper or out of the house: CSV, LaTeX, BibTeX, pictures, redacted reports."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from tests.conftest import make_dataset
from tests.support.alignment_runs import alignment_run
from tests.support.report_runs import scripted_run, with_diagnostics
from vlsu.analysis.stats.intervals import Rate
from vlsu.data import Dataset
from vlsu.report import publish_figures, publish_tables, write_report
from vlsu.report.bibtex import bibtex
from vlsu.report.charts.colours import colour, palette, resolved, shade
from vlsu.report.charts.figures import pictures
from vlsu.report.table import ABSENT, Table, format_rate
from vlsu.report.table_formats import csv_table, json_table, latex
from vlsu.report.tasks import contents
from vlsu.runs import Run
from vlsu.runs.record_schema import RunRecord

pytestmark = pytest.mark.slow

PDFLATEX = shutil.which("pdflatex")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    return with_diagnostics(scripted_run("vlsu-mini", folder / "run"), folder / "diagnosed")


@pytest.fixture(scope="module")
def alignment(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return alignment_run("vlsu-mini", tmp_path_factory.mktemp("alignment") / "run")


RATE = Rate(1 / 3, 0.25, 0.5)
TABLE = Table(
    "t",
    "A table",
    ("what", "share [95% interval]", "n"),
    (
        ("=cmd|' /C calc'!A0", format_rate(RATE), "12"),
        ("-x", ABSENT, "0"),
        ('a "b",\nc', format_rate(RATE), "-3"),
    ),
)

# CSV and JSON


def test_csv_has_rates_in_full_and_runs_nothing() -> None:
    head, *rows = csv.reader(io.StringIO(csv_table(TABLE)))
    assert head == ["what", "share", "share low", "share high", "n"]
    assert [float(cell) for cell in rows[0][1:4]] == [1 / 3, 0.25, 0.5]
    assert rows[1][1:] == ["", "", "", "0"]
    assert [row[0] for row in rows] == ["'=cmd|' /C calc'!A0", "'-x", 'a "b",\nc']
    assert rows[2][4] == "-3"


def test_json_of_a_table_has_numbers() -> None:
    tree = json.loads(json.dumps(json_table(TABLE)))
    assert tree["rows"][0][1:] == [RATE.as_dict(), 12]
    assert tree["rows"][1][1:] == [None, 0]


def test_each_table_is_published_in_each_format(run: Run, tmp_path: Path) -> None:
    files = publish_tables([run], tmp_path / "deep" / "tables")
    names = {file.name for file in files}
    assert names == {file.name for file in (tmp_path / "deep" / "tables").iterdir()}
    for table in contents(run).tables:
        assert {f"{table}.{suffix}" for suffix in ("csv", "json", "md", "tex")} <= names
    text = (tmp_path / "deep/tables/families.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(io.StringIO(text))
    accuracy = {row["family"]: float(row["accuracy"]) for row in rows}
    assert accuracy == {
        name: found["accuracy"]["value"] for name, found in run.metrics["families"].items()
    }
    entry = (tmp_path / "deep/tables/references.bib").read_text(encoding="utf-8")
    assert entry.startswith("@misc{vlsu-mini-")


def test_runs_side_by_side_are_published_too(run: Run, tmp_path: Path) -> None:
    files = publish_tables([run, run], tmp_path)
    assert {file.stem for file in files} >= {"comparison", "references"}
    drawn = publish_figures([run, run], tmp_path)
    assert {file.stem for file in drawn} >= {"leaderboard-accuracy", "families", "models"}


@pytest.mark.parametrize("task", ["run", "alignment"])
@pytest.mark.parametrize("count", [1, 2])
def test_what_goes_into_a_paper_says_once_what_the_policy_does_not_cover(
    task: str, count: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    runs = [request.getfixturevalue(task)] * count
    said = "what the policy does not cover: privacy and the publishing"
    report = write_report(runs, tmp_path / "r.tex").read_text(encoding="utf-8")
    assert report.count(said) == 1
    assert said in report.partition(r"\label")[0]  # in the caption of the first table
    files = publish_tables(runs, tmp_path / "tables")
    for suffix in (".tex", ".md", ".json"):
        texts = [f.read_text(encoding="utf-8") for f in files if f.suffix == suffix]
        assert [said in text for text in texts] == [True] + [False] * (len(texts) - 1)


# LaTeX


def balanced(text: str) -> bool:
    """Whether braces and environments match, and no special character stands unescaped."""
    plain = re.sub(r"\\\\|\\[&%$#_{}]", "", re.sub(r"^%.*$", "", text, flags=re.MULTILINE))
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", plain):
        if kind == "begin":
            opened.append(name)
        elif not opened or opened.pop() != name:
            return False
    rest = re.sub(r"\\[a-z]+", "", plain)
    return not opened and rest.count("{") == rest.count("}") and not re.search(r"[%$#^~\\]", rest)


def test_the_syntax_check_finds_what_would_not_compile() -> None:
    assert balanced(latex(TABLE))
    for bad in ("\\begin{a}", "50% of", "x_{1", "a^2", "$x$"):
        assert not balanced(bad)


@pytest.mark.parametrize("task", ["run", "alignment"])
def test_the_latex_report_is_well_formed(
    task: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    one = request.getfixturevalue(task)
    assert balanced(write_report([one], tmp_path / "r.tex").read_text(encoding="utf-8"))


@pytest.mark.skipif(PDFLATEX is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("task", ["run", "alignment"])
def test_the_latex_report_compiles(
    task: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    one = request.getfixturevalue(task)
    hostile = replace(TABLE, title="50% of $x_1$ & #2 {a} \\input{x} ~^", note="<b> | – [a] *b*")
    text = write_report([one], tmp_path / "r.tex").read_text(encoding="utf-8")
    (tmp_path / "document.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n"
        f"{text}\n{latex(hostile)}\n\\end{{document}}\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [str(PDFLATEX), "-interaction=nonstopmode", "-halt-on-error", "document.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-1500:]
    assert (tmp_path / "document.pdf").stat().st_size > 10_000


# BibTeX


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "data")


def test_a_citation_that_is_bibtex_is_kept(dataset: Dataset) -> None:
    entry = "@inproceedings{a2026, title = {A {B}}, year = 2026}"
    assert bibtex(replace(dataset.info, citation=f"Please cite: {entry}")) == entry


def test_any_other_citation_becomes_an_entry(dataset: Dataset) -> None:
    info = replace(
        dataset.info,
        name="Größe & Co_1",
        version="2.0",
        citation="Doe et al. (2025). 50% of {it}.",
        source="a#b",
        licence="CC0-1.0",
    )
    assert bibtex(info).splitlines() == [
        "@misc{groe-co-1-2-0,",
        "  author = {{Doe et al}},",
        r"  title = {{Größe \& Co\_1 2.0}},",
        "  year = {2025},",
        r"  howpublished = {a\#b},",
        r"  note = {Doe et al. (2025). 50\% of it. Licence: CC0-1.0},",
        "}",
    ]


BIBTEX = shutil.which("bibtex")
#: What foreign names and titles may hold; pdflatex has letters of Latin scripts alone.
HOSTILE_NAMES = [
    *("{", "}", "%", "\\", "&", "_", "$", "@", "#", "^", "~", '"', "Größe é", "\n\n", "\x00", "\r"),
    *(
        "x" * 10_000,
        "é" * 10_000,
        "{" * 10_000,
        "\\" * 10_000,
        "%$" * 5_000,
        "\\input{/etc/passwd}",
    ),
    *(
        "\\'",
        "\\c",
        "\\. ",
        "\\ ",
        "\\,",
        "$a^b^c$",
        "$a_b^c$",
        "$\\mathrm$",
        "$a^$",
        "$_$",
        "a, b, c, d",
        "\\emph",
        "\\textbf ",
        "\\t",
        "\\'é",
    ),
]


@pytest.mark.skipif(BIBTEX is None or PDFLATEX is None, reason="TeX is not installed")
def test_hostile_citations_go_through_bibtex_and_tex(dataset: Dataset, tmp_path: Path) -> None:
    entries = [
        bibtex(info)
        for text in HOSTILE_NAMES
        for info in (
            replace(dataset.info, citation="", name=text, version=text, source=text, licence=text),
            replace(dataset.info, citation=f"Doe {text} and Roe (2024). A title {text}."),
            replace(
                dataset.info, citation=f"@misc{{a, author = {{D {text}}}, title = {{T {text}}}}}"
            ),
            replace(
                dataset.info, citation=f'@misc{{a, author = "D {text} and E", url = "{text}"}}'
            ),
        )
    ]
    keyed = [re.sub(r"\{[^,]*,", f"{{k{n},", entry, count=1) for n, entry in enumerate(entries)]
    (tmp_path / "r.bib").write_text("\n".join(keyed), encoding="utf-8")
    (tmp_path / "d.tex").write_text(
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{url}\\begin{document}\n"
        "Cited.\\nocite{*}\\bibliographystyle{plain}\\bibliography{r}\\end{document}\n",
        encoding="utf-8",
    )
    tex = [str(PDFLATEX), "-interaction=nonstopmode", "-halt-on-error", "d.tex"]
    for command in (tex, [str(BIBTEX), "d"], tex):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=600)
        assert done.returncode == 0, done.stdout[-1500:]
    cited = (tmp_path / "d.bbl").read_text(encoding="utf-8")
    assert cited.count("\\bibitem") == len(entries)


# Pictures


def test_colours_are_those_of_the_stylesheet() -> None:
    assert resolved(colour("escalating")) == palette()["escalating"] == "#c14b00"
    assert resolved(colour("escalating"), dark=True) == "#f2914f"
    assert resolved({"fill": [shade("joint", 0.0), shade("joint", 1.0)]}) == {
        "fill": ["#ffffff", palette()["heat-joint"]]
    }


def luminance(colour_: str) -> float:
    """WCAG 2.2, relative luminance."""
    channels = [int(colour_[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_what_is_written_in_charts_can_be_read(dark: bool) -> None:
    colours = palette(dark=dark)
    for name in [name.removeprefix("heat-") for name in colours if name.startswith("heat-")]:
        for share in (0.0, 0.5, 1.0):
            assert contrast(resolved(shade(name, share), dark=dark), colours["ink"]) >= 4.5
    for name in ("ink", "muted"):
        assert contrast(colours[name], colours["paper"]) >= 4.5
    marks = ("late-fusion", "escalating", "de-escalating", "image", "text", "joint", "error")
    for name in (*marks, "right", "wrong"):
        assert contrast(colours[name], colours["paper"]) >= 3


def test_pictures_depend_on_no_page(run: Run) -> None:
    drawn: Any = pictures(contents(run).charts)
    assert {"map", "confusion", "reliability", "flow", "patterns"} <= drawn.keys()
    assert [part["title"] for part in drawn["map"]["hconcat"]] == [
        f"{severity} together" for severity in ("safe", "borderline", "unsafe")
    ]
    text = json.dumps(drawn)
    assert "var(--" not in text
    assert "color-mix" not in text
    assert '"container"' not in text


@pytest.mark.parametrize("task", ["run", "alignment"])
def test_every_chart_is_drawn(task: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    one = request.getfixturevalue(task)
    files = publish_figures([one], tmp_path)
    assert {file.stem for file in files} == set(pictures(contents(one).charts))
    for file in files:
        if file.suffix == ".svg":
            tree = ElementTree.fromstring(file.read_text(encoding="utf-8"))
            assert len(list(tree.iter("{http://www.w3.org/2000/svg}text"))) > 3
        else:
            with Image.open(file) as image:
                assert image.width > 1500
                assert len(image.convert("RGB").getcolors(1_000_000) or ()) > 5


# Redacted


def test_a_redacted_page_holds_nothing_of_the_dataset_but_grades(run: Run, tmp_path: Path) -> None:
    record = {**run.record, "model": {**run.record["model"], "base_url": "https://inside.example"}}
    own = Run(run.path, RunRecord(record))
    page = write_report([own], tmp_path / "r.html", redact=True).read_text(encoding="utf-8")
    (packed,) = re.findall(r'id="sample-data">([^<]+)<', page)
    entries = json.loads(gzip.decompress(base64.b64decode(packed)))
    assert len(entries) == 465
    names = {"id", "tag", "family", "facets", "marks", "grid"}
    assert {name for entry in entries for name in entry} == names
    texts = [sample.text for sample in run.dataset.samples() if sample.text]
    assert len(texts) == 465
    whole = page + json.dumps(entries, ensure_ascii=False)
    assert not any(text in whole for text in texts)
    for absent in ("data:image", "mini-0001", "inside.example", run.dataset.info.description[:40]):
        assert absent not in whole
    dataset_hash = run.record["dataset"]["content_hash"]
    name = hashlib.sha256(f"{dataset_hash}\nmini-0001".encode()).hexdigest()[:12]
    assert name in {entry["id"] for entry in entries}
    assert "Made to be shared" in page


@pytest.mark.parametrize("suffix", [".html", ".md", ".tex", ".json"])
def test_a_redacted_report_names_no_server(run: Run, tmp_path: Path, suffix: str) -> None:
    record = {**run.record, "model": {**run.record["model"], "base_url": "https://inside.example"}}
    own = Run(run.path, RunRecord(record))
    said = write_report([own], tmp_path / f"a{suffix}").read_text(encoding="utf-8")
    assert ("inside.example" in said) == (suffix != ".tex")
    out = write_report([own], tmp_path / f"b{suffix}", redact=True)
    assert "inside.example" not in out.read_text(encoding="utf-8")


def test_a_redacted_alignment_page_holds_no_answers(alignment: Run, tmp_path: Path) -> None:
    page = write_report([alignment], tmp_path / "r.html", redact=True).read_text(encoding="utf-8")
    (packed,) = re.findall(r'id="sample-data">([^<]+)<', page)
    entries = json.loads(gzip.decompress(base64.b64decode(packed)))
    assert "said" not in {name for entry in entries for name in entry}
    assert not {"text", "image", "reason"} & {name for entry in entries for name in entry}
    assert "I can't help" not in json.dumps(entries)
