"""Foreign text in reports: names of models, framings and categories, texts, citations."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import orjson
import pytest
from playwright.sync_api import Page

from tests.conftest import make_dataset
from tests.support.alignment_runs import alignment_run
from tests.support.browser import CHROMIUM, chromium, new_page
from tests.support.report_runs import scripted_run
from vlsu.analysis.stats.intervals import Rate
from vlsu.data import Dataset, write_dataset
from vlsu.policy import Family, default_policy
from vlsu.report import publish_tables, write_report
from vlsu.report.alignment.breakdown_tables import framing_pairs
from vlsu.report.bibtex import bibtex
from vlsu.report.charts.dots import shapes_for
from vlsu.report.charts.legible import legible, short_names
from vlsu.report.charts.trade_off import Point, trade_off_chart
from vlsu.report.table import Table
from vlsu.report.table_formats import csv_table, latex, markdown
from vlsu.report.tasks import contents
from vlsu.runs import Run, load_run
from vlsu.runs.record_schema import RunRecord

pytestmark = pytest.mark.slow

HOSTILE = [
    "<script>window.owned=1</script>",
    '</script><img src=x onerror="window.owned=1">',
    "a\u2028b\u2029c",
    "\u202egnp.exe",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07\x9b2J",
    "W" * 3000,
    '=HYPERLINK("http://evil")',
    "| a | b |\n# h `code` **b** [x](javascript:1) &lt;",
    "\\input{/etc/passwd} 50% $x_1$ & #1 ~^ {unbalanced",
    "مرحبا \u202dabc\u202c",
    "\ud800half",
    "{{ 7 * 7 }} {% raw %}",
]
#: Of a window, in pixels.
WIDTHS = (1280, 390)
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def renamed(run: Run, spec: str) -> Run:
    record = {**run.record, "model": {**run.record["model"], "spec": spec}}
    return Run(run.path, RunRecord(record))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("hostile")
    plain = make_dataset(folder / "plain", samples=24)
    samples = [
        replace(
            sample,
            id=f"s{number} {HOSTILE[number % len(HOSTILE)][:40]}".encode(
                "utf-8", "replace"
            ).decode(),
            text=HOSTILE[number % len(HOSTILE)].encode("utf-8", "replace").decode(),
        )
        for number, sample in enumerate(plain.samples())
    ]
    hostile = write_dataset(
        folder / "data",
        samples,
        name="<b>data</b> \x1b[31m",
        version="1 | 2",
        licence="=1+1 & <i>",
        citation="A. Author 2024 \\write18{x} {",
        source="a_b%c",
        policy=default_policy(),
    )
    for image in (plain.path / "images").rglob("*.*"):
        target = hostile.path / image.relative_to(plain.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(image.read_bytes())
    made = scripted_run(hostile, folder / "run")
    # Categories are the policy's; a run folder from elsewhere may name others.
    metrics = orjson.loads((made.path / "metrics.json").read_bytes())
    part = metrics["categories"]["C9"]
    odd = map(utf8, HOSTILE[:9])
    metrics["categories"] |= dict.fromkeys(odd, part)
    (made.path / "metrics.json").write_bytes(orjson.dumps(metrics))
    return load_run(made.path)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_model_of_any_name_is_text_in_every_format(run: Run, tmp_path: Path, name: str) -> None:
    odd = renamed(run, name)
    for suffix in (".html", ".md", ".tex", ".json"):
        for runs in ([odd], [odd, run]):
            text = write_report(runs, tmp_path / f"r{suffix}").read_text(encoding="utf-8")
            assert not CONTROLS.search(text), suffix
    page = write_report([odd], tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script>window" not in page
    assert "<img src=x" not in page
    assert page.count("<script") == page.count("</script>")
    files = publish_tables([odd, run], tmp_path / "tables")
    for file in files:
        assert not CONTROLS.search(file.read_text(encoding="utf-8")), file.name


def test_cells_of_csv_are_no_formulas(run: Run, tmp_path: Path) -> None:
    for file in publish_tables([run], tmp_path):
        if file.suffix != ".csv":
            continue
        for row in csv.reader(io.StringIO(file.read_text(encoding="utf-8"))):
            for cell in row:
                number = re.fullmatch(r"[-+]?\d+(\.\d+)?(e-?\d+)?", cell)
                assert number or not cell.startswith(("=", "+", "-", "@", "\t", "\r")), file.name


@pytest.mark.parametrize("text", HOSTILE)
def test_a_table_of_anything_is_one_table(text: str) -> None:
    table = Table("t", text, (text, "n"), ((text, "1"), (f"{text}!", "2")), text)
    pipes = markdown(table).splitlines()
    rows = [line for line in pipes if line.startswith("| ")]
    assert len(rows) == 4
    for line in rows:
        assert len(re.findall(r"(?<!\\)\|", line)) == 3
    assert not re.search(r"(?<!\\)[<`]", markdown(table))
    written = latex(table)
    assert written.count(r"\begin{table}") == 1
    plain = re.sub(r"\\[&%$#_{}]", "", written)
    assert plain.count("{") == plain.count("}")
    assert r"\input" not in written
    records = list(csv.reader(io.StringIO(csv_table(table))))
    assert [len(record) for record in records] == [2, 2, 2]


def complaints_of(page: Page) -> list[str]:
    """The list to which a page adds what it logs and its errors from now on."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")
def test_no_name_breaks_the_layout_or_runs(run: Run, tmp_path: Path) -> None:
    long = renamed(run, f"provider/{'W' * 400}\u202e<script>window.owned=1</script>")
    pages = {
        "one": write_report([long], tmp_path / "one.html"),
        "two": write_report([long, renamed(run, "=1+1")], tmp_path / "two.html"),
    }
    with chromium() as browser:
        for width, (name, file) in product(WIDTHS, pages.items()):
            page = new_page(browser, viewport={"width": width, "height": 900})
            complaints = complaints_of(page)
            page.goto(file.as_uri())
            page.wait_for_selector("html[data-charts=drawn][data-samples=listed]")
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.evaluate(wide) <= 0, (name, width)
            assert page.evaluate("window.owned") is None
            assert complaints == []
            page.close()


# --- Names in charts


def test_long_names_keep_both_ends_and_stay_apart() -> None:
    names = [f"a-framing-of-our-own-with-a-rather-long-name-{n}" for n in range(5)]
    names += ["x" * 100, "x" * 101, "default", "W\x1b[31mW", ""]
    short = short_names(names)
    assert len(set(short.values())) == len(names)
    assert all(len(name) <= 32 for name in short.values())
    assert short["default"] == "default"
    assert short[names[3]].endswith("name-3")
    assert short["W\x1b[31mW"] == "WW"


def test_a_chart_of_short_names_is_left_as_it_is(run: Run) -> None:
    for chart in contents(run).charts.values():
        assert legible(chart) is chart  # they are short already


def overlaps(boxes: list[dict[str, float]]) -> list[tuple[int, int]]:
    return [
        (i, j)
        for i, a in enumerate(boxes)
        for j, b in enumerate(boxes[:i])
        if a["x"] < b["x"] + b["width"]
        and b["x"] < a["x"] + a["width"]
        and a["y"] < b["y"] + b["height"]
        and b["y"] < a["y"] + a["height"]
    ]


#: Boxes of what is written in a chart, less a hair on each side.
BOXES = """chart => [...document.querySelectorAll(`[data-chart=${chart}] svg text`)]
    .filter(text => text.textContent.trim())
    .map(text => text.getBoundingClientRect())
    .map(({x, y, width, height}) => ({x: x + 1, y: y + 2, width: width - 2, height: height - 4}))"""


def framings(count: int, long: bool) -> list[str]:
    names = ["default", "harmless", "helpful", *(f"own-{n}" for n in range(9))][:count]
    return [
        f"{name}-{'a-rather-long-name-of-a-framing' if long else ''}".rstrip("-") for name in names
    ]


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")
@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 8, 12])
def test_labels_of_framings_never_overlap(
    tmp_path: Path, aligned: Run, count: int, long: bool
) -> None:
    (default, *_) = aligned.metrics["framings"].values()
    names = framings(count, long)
    metrics = {
        **aligned.metrics,
        "framings": dict.fromkeys(names, default),
        "differences": {},
        "outcomes": dict.fromkeys(names, aligned.metrics["outcomes"]["default"]),
        "judge_outcomes": dict.fromkeys(names, aligned.metrics["judge_outcomes"]["default"]),
    }
    for n, name in enumerate(names):  # close together, so that labels would be in each other's way
        rate = {**default["over_blocking"], "value": 0.3 + n / 40}
        metrics["framings"][name] = {**default, "over_blocking": rate}
    folder = tmp_path / "run"
    folder.mkdir()
    for file in aligned.path.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "metrics.json").write_bytes(orjson.dumps(metrics))
    page_file = write_report([load_run(folder)], tmp_path / "r.html")
    with chromium() as browser:
        for width in WIDTHS:
            page = new_page(browser, viewport={"width": width, "height": 900})
            page.goto(page_file.as_uri())
            page.wait_for_selector("html[data-charts=drawn]")
            for chart in ("trade-off", "severities", "patterns", "kinds"):
                boxes = page.evaluate(BOXES, chart)
                assert overlaps(boxes) == [], (chart, width)
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.evaluate(wide) <= 0, width


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("aligned")
    data = make_dataset(folder / "data", samples=54)
    return alignment_run(data, folder / "run", framings=("default",))


def test_every_group_has_a_mark_of_its_own() -> None:
    marks = [(n % 6, shape) for n, shape in enumerate(shapes_for(24))]
    assert len(set(marks)) == 24


def test_labels_that_have_room_stand_beside_their_points_others_in_a_legend() -> None:
    def point(name: str, over: float, under: float) -> Point:
        return Point(name, Rate(over, over, over), Rate(under, under, under), "red")

    apart: Any = trade_off_chart([point("a", 0.1, 0.9), point("b", 0.9, 0.1)])
    encodings = [layer["encoding"] for layer in apart["layer"]]
    written = [each["text"]["field"] for each in encodings if "text" in each]
    assert written == ["label left", "label right"]
    assert apart["encoding"]["color"]["legend"] is None
    assert [row["label right"] for row in apart["data"]["values"]] == ["", ""]
    near: Any = trade_off_chart(
        [point(name * 12, 0.5 + n / 50, 0.5) for n, name in enumerate("abc")]
    )
    assert not any("text" in layer["encoding"] for layer in near["layer"])
    assert near["encoding"]["color"]["legend"] is not None


def test_a_framing_may_hold_what_stands_between_two(tmp_path: Path) -> None:
    words = tmp_path / "a -> b.txt"
    words.write_text("Be cautious.", encoding="utf-8")
    data = make_dataset(tmp_path / "data", samples=27)
    run = alignment_run(data, tmp_path / "run", framings=("default", str(words), "helpful"))
    names = list(run.metrics["framings"])
    pairs = [(first, second) for first, second, _ in framing_pairs(run.metrics)]
    assert pairs == [(names[0], names[1]), (names[0], names[2]), (names[1], names[2])]
    for suffix in (".html", ".md", ".tex", ".json"):
        write_report([run], tmp_path / f"r{suffix}")


# --- BibTeX


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("cited") / "data")


ENTRIES = {
    # What TeX would act on is escaped, and what it may act on is kept.
    r"@misc{a, title = {50% of A & B, #1_x}}": r"@misc{a, title = {50\% of A \& B, \#1\_x}}",
    r"@misc{a, title = {{\"U}ber $\alpha$-{VAE} \& co\_}}": None,
    r"@misc{a, url = {https://a.b/c_d%20e?f=1&g#h}, year = 2024, month = jan}": None,
    r"@misc{a, note = {\input{/etc/passwd}}}": (
        r"@misc{a, note = {\textbackslash{}input{/etc/passwd}}}"
    ),
    r"@misc{a, note = {\immediate\write18{ls}}}": (
        r"@misc{a, note = {\textbackslash{}immediate\textbackslash{}write18{ls}}}"
    ),
    r"@misc{a, note = {$\input{x}$}}": r"@misc{a, note = {\$\textbackslash{}input{x}\$}}",
    r"@misc{a, note = {x\}}}": "@misc{a, note = {x}}",
    '@misc{a, title = "a {"}b" , year = "2024"}': '@misc{a, title = {a {"}b} , year = "2024"}',
    "@misc{a, title = {x}}} \\evil": "@misc{a, title = {x}}",
    "See @article{b, author = {Doe, J. and Roe, R.}, year = 2024}, please": (
        "@article{b, author = {Doe, J. and Roe, R.}, year = 2024}"
    ),
}


@pytest.mark.parametrize("citation", list(ENTRIES))
def test_an_entry_is_kept_with_its_values_escaped(described: Dataset, citation: str) -> None:
    found = bibtex(replace(described.info, citation=citation))
    assert found == (ENTRIES[citation] or citation)


@pytest.mark.parametrize(
    "citation",
    ['@preamble{"\\immediate\\write18{ls}"}', "@string{x = {y}}", "@comment{a, b = {c}}",
     "@misc{a, title = {unbalanced", "@misc{a, title = {}", "@misc{a}", "@misc{a, {}}",
     "@misc{a, title = x # y}", "@misc{,}", "@", "@misc{a, t =} \x1b[31m",
     "}} \\end{document}", *HOSTILE],
)  # fmt: skip
def test_what_is_no_entry_becomes_one(described: Dataset, citation: str) -> None:
    found = bibtex(replace(described.info, citation=citation, name="N_1", source="{a}"))
    assert found.startswith("@misc{n-1-1,\n  ")
    assert not CONTROLS.search(found)
    body = found.removeprefix("@misc{n-1-1,")
    plain = re.sub(r"\\[&%$#_]", "", body)
    assert not re.search(r"[\\%$#^~]", plain)
    assert plain.count("{") == plain.count("}") - 1  # the last closes the entry
    assert re.search(r"^  (author|key) = \{", body, re.MULTILINE)  # what styles sort and label by


def test_a_citation_names_its_authors_where_they_stand_before_the_year(described: Dataset) -> None:
    for citation, author in (
        ("Doe, J. and Roe, R. (2024). A title.", "{{Doe, J. and Roe, R}}"),
        ("Doe et al., 2025: a title", "{{Doe et al}}"),
        ("a title of no one", None),
        ("VLSU-1 by Doe (2024)", None),
        ("", None),
    ):
        found = bibtex(replace(described.info, citation=citation))
        assert (f"author = {author}," in found) == (author is not None), citation
        assert ("\n  key = {tiny}," in found) == (author is None)


@pytest.mark.parametrize(
    "unit", ["@a{b,c={", "$\\a", "\\url{", "$", "{", "\\", '@a{b,c="', ",", "@a{b", "a = {x}, "]
)
def test_a_citation_is_read_in_linear_time(described: Dataset, unit: str) -> None:
    def seconds(length: int) -> float:
        info = replace(described.info, citation=f"@misc{{a, t = {{{unit * (length // len(unit))}")
        took = []
        for _ in range(5):
            start = time.process_time()
            bibtex(info)
            took.append(time.process_time() - start)
        return min(took)

    # 16 times as long; where the square of it counts, that is 256 times.
    assert seconds(64_000) < 64 * max(seconds(4_000), 0.0005)


# --- Orders


def test_families_are_in_one_order_everywhere(run: Run, tmp_path: Path) -> None:
    order = [family.value for family in Family]
    assert order == ["late-fusion", "escalating", "de-escalating"]
    tables = contents(run).tables
    assert [row[0] for row in tables["families"].rows] == order
    families = [row[1] for row in tables["patterns"].rows]
    assert families == sorted(families, key=order.index)
    page = write_report([run], tmp_path / "r.html").read_text(encoding="utf-8")
    tiles = re.findall(r'<div class="((?:de-)?escalating|late-fusion)">', page)
    assert tiles == order


def test_samples_are_json_that_no_browser_stumbles_over(run: Run, tmp_path: Path) -> None:
    page = write_report([run], tmp_path / "r.html").read_text(encoding="utf-8")
    data = re.search(r'id="report-data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert data[1].isascii()
    json.loads(data[1])


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")
def test_filters_have_the_order_of_the_tables(tmp_path: Path) -> None:
    plain = scripted_run("vlsu-mini", tmp_path / "run")
    words = tmp_path / "zzz.txt"
    words.write_text("Be cautious.", encoding="utf-8")
    judged = alignment_run(
        "vlsu-mini", tmp_path / "aligned", framings=("helpful", str(words), "default")
    )
    wanted = {
        "family": [family.value for family in Family],
        "pattern": list(plain.metrics["patterns"]),
        "gold-joint": ["safe", "borderline", "unsafe"],
        "outcome": ["ok", "refused", "unparsed"],
    }
    files = {
        write_report([plain], tmp_path / "a.html"): wanted,
        write_report([judged], tmp_path / "b.html"): {"framing": ["helpful", "zzz", "default"]},
    }
    with chromium() as browser:
        page = new_page(browser)
        for file, facets in files.items():
            page.goto(file.as_uri())
            page.wait_for_selector("html[data-samples=listed]")
            for name, values in facets.items():
                options = page.locator(f"select[name={name}] option").all_inner_texts()
                assert [option.partition(" (")[0] for option in options[1:]] == values, name
