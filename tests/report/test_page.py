"""What is in a report, of any format, without opening it in a browser."""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from statsmodels.stats.proportion import proportion_confint

from tests.conftest import make_dataset, png
from tests.support.report_runs import scripted_run
from tests.support.values import nested
from vlsu.analysis.results import Metrics
from vlsu.analysis.stats.intervals import Rate
from vlsu.data import Dataset, ImageStore, Sample, write_dataset
from vlsu.errors import RunError, UsageError
from vlsu.policy import Severity, default_policy
from vlsu.report import write_report
from vlsu.report.charts.dots import IntervalMark, interval_chart
from vlsu.report.embedding import embedded_json, packed
from vlsu.report.run_notes import baseline_note
from vlsu.report.table import Table
from vlsu.report.table_formats import latex, markdown
from vlsu.report.tasks import contents
from vlsu.report.thumbnails import SIDE, thumbnail
from vlsu.report.understanding.charts import confusion_chart, pattern_map, understanding_charts
from vlsu.report.understanding.completed import completed_metrics
from vlsu.report.understanding.headline import headline_sentence
from vlsu.report.understanding.listing import sample_entries, sample_frame, worst_first
from vlsu.runs import Run
from vlsu.runs.record_schema import RunRecord


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return scripted_run("vlsu-mini", tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def page(run: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("page") / "new" / "report.html"
    assert write_report([run], out) == out
    return out.read_text(encoding="utf-8")


#: Keys of metrics that older versions did not write.
NEWER = ("flow", "severities")


# The page


def test_the_page_names_no_other_host(page: str) -> None:
    addresses = set(re.findall(r"\w+://[^\s\"'`)]+", page))
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert addresses <= {*namespaces, "http://www.w3.org/2000/xmlns/"}
    assert "sourceMappingURL" not in page
    assert not re.search(r"<(link|script|img|iframe)[^>]+(src|href)=", page)


def test_the_page_is_small(page: str) -> None:
    assert len(page.encode()) < 2_000_000


def test_the_policy_allows_the_pages_own_code_only(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    directives = dict(part.split(" ", 1) for part in policy[1].replace("&#39;", "'").split("; "))
    assert directives["default-src"] == "'none'"
    assert directives["img-src"] == "data:"
    assert "unsafe" not in policy[1]
    assert len(directives["script-src"].split()) == 3


def test_the_page_says_what_was_measured(page: str, run: Run) -> None:
    assert headline_sentence(run.metrics) in re.sub(r"</?b>", "", page)
    assert "not a consensus of graders" in page
    assert run.record["policy"]["hash"] in page
    assert str(run.record["dataset"]["path"]) not in page


def test_json_in_the_page_cannot_end_its_element() -> None:
    hostile = {"text": "</script><!-- & \u2028 \x00 \ud800 é"}
    text = embedded_json(hostile)
    assert text.isascii()
    assert not set("<>&\x00") & set(text)
    assert json.loads(text) == hostile


def test_a_name_no_file_can_hold_does_not_stop_the_report(run: Run, tmp_path: Path) -> None:
    odd = {**run.record, "model": {**run.record["model"], "spec": "<b>x\ud800\x00"}}
    for suffix in ("html", "md", "tex", "json"):
        out = write_report([Run(run.path, RunRecord(odd))], tmp_path / f"r.{suffix}")
        assert "\x00" not in out.read_text(encoding="utf-8")
    assert "<b>x" not in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_runs_side_by_side(run: Run, tmp_path: Path) -> None:
    page = write_report([run, run], tmp_path / "two.html").read_text(encoding="utf-8")
    for number in (1, 2):
        assert f'<th scope="row">scripted/oracle (run) {number}</th>' in page


def test_a_run_of_one_modality_is_reported(tmp_path: Path) -> None:
    run: Any = scripted_run(make_dataset(tmp_path / "data"), tmp_path / "run", modalities=["image"])
    page = write_report([run], tmp_path / "r.html").read_text(encoding="utf-8")
    accuracy = run.metrics["image"]["accuracy"]["value"]
    assert f"Right on <b>{accuracy:.0%}" in page
    assert "left out of the run" in page
    for absent in ("map-safe", "flow", "late-fusion", "confusion-text", "confusion-joint"):
        assert f'data-chart="{absent}"' not in page


def test_without_its_dataset_a_run_is_told_by_its_judgments(run: Run, tmp_path: Path) -> None:
    # Under its own name a bundled set is found wherever it lies.
    moved = {**run.record["dataset"], "name": "x", "path": str(tmp_path / "gone")}
    gone = Run(run.path, RunRecord({**run.record, "dataset": moved}))
    page = write_report([gone], tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Texts and images are not shown: " in page
    assert "no such dataset folder" in page
    first = next(sample_entries(gone, worst_first(gone)))
    assert "text" not in first
    assert first["facets"]["gold-joint"] == "unsafe"


def test_the_worst_samples_come_first(run: Run) -> None:
    rows = sample_frame(run, worst_first(run)).to_dicts()
    grades: Any = [severity.label for severity in Severity]

    def rank(row: dict[str, str | None]) -> float:
        gold, said = row["joint_gold"], row["joint_predicted"]
        if said is None:
            return 3.5  # it failed: after every wrong grade
        off = grades.index(gold) - grades.index(said)
        return {2: 0, -2: 1, 1: 2, -1: 3, 0: 4}[off]

    ranks = [rank(row) for row in rows]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2, 3, 3.5, 4}
    assert len({row["id"] for row in rows}) == 465
    together = [
        row["joint_gold"] != max(row["image_gold"], row["text_gold"], key=grades.index)
        for row, rank in zip(rows, ranks, strict=True)
        if rank == 0
    ]
    assert together == sorted(together, reverse=True)


def many(folder: Path, texts: Iterable[str]) -> Dataset:
    """A dataset of one image with these texts."""
    image = ImageStore(folder).add(png((1, 2, 3)))
    grades: Any = dict.fromkeys(("image_grade", "text_grade", "joint_grade"), Severity.SAFE)
    about: Any = dict.fromkeys(("name", "version", "licence", "citation", "source"), "many")
    samples = (
        Sample(id=f"s{n}", text=text, image_sha256=image, **grades) for n, text in enumerate(texts)
    )
    return write_dataset(folder, samples, policy=default_policy(), **about)


def test_long_texts_are_cut_and_the_cut_is_counted(tmp_path: Path) -> None:
    dataset = many(tmp_path / "data", ["a" * 100_000])
    (entry,) = sample_entries(scripted_run(dataset, tmp_path / "run"), ["s0"])
    assert len(entry["text"]) + entry["cut"] == 100_000


def unpacked(text: str) -> list[dict[str, object]]:
    return json.loads(gzip.decompress(base64.b64decode(text)))


def test_entries_are_packed_as_far_as_they_fit() -> None:
    rng = random.Random(1)
    entries = [{"id": str(n), "text": f"{rng.random()}\ud800é"} for n in range(1000)]
    text, count = packed(iter(entries), 1_000_000)
    assert (count, unpacked(text)) == (1000, entries)
    text, count = packed(iter(entries), 8_000)
    assert 100 < count < 1000
    assert len(text) < 8_100
    assert unpacked(text) == entries[:count]
    assert packed(iter([]), 10)[1] == 0
    assert unpacked(packed(iter([]), 10)[0]) == []


_TEXTS = st.text(st.characters(exclude_categories=()) | st.sampled_from("\x7f\ud800é<"))


@given(st.lists(st.dictionaries(_TEXTS, _TEXTS | st.integers() | st.lists(_TEXTS))))
def test_packed_entries_are_ascii_whatever_they_say(entries: list[dict[str, object]]) -> None:
    text, count = packed(entries, 10**7)
    assert count == len(entries)
    written = gzip.decompress(base64.b64decode(text)).decode("ascii")
    assert written == json.dumps(entries, separators=(",", ":"))


@pytest.mark.slow
def test_samples_that_a_page_cannot_hold_are_in_a_file_beside_it(tmp_path: Path) -> None:
    letters = [chr(n) for n in range(0x4E00, 0x9000)]
    rng = random.Random(1)
    texts = ("".join(rng.choices(letters, k=5000)) for _ in range(900))
    run: Any = scripted_run(many(tmp_path / "data", texts), tmp_path / "run", modalities=["text"])
    page = write_report([run], tmp_path / "r.html").read_text(encoding="utf-8")
    assert len(page.encode()) < 10_000_000
    told = re.search(r"(\d+) of 900 samples", page)
    assert told is not None
    assert 300 < int(told[1]) < 900
    assert "in <b>r.samples.parquet</b> beside this file" in page
    beside = pl.read_parquet(tmp_path / "r.samples.parquet")
    assert beside["id"].to_list() == worst_first(run)
    assert set(beside["text"].str.len_chars()) == {5000}
    assert beside["text_gold"].to_list() == ["safe"] * 900


def test_the_note_on_embedded_baselines(run: Run) -> None:
    def note(spec: str) -> str:
        return baseline_note(Run(run.path, RunRecord({"model": {"spec": spec}})))

    assert "not a vision-language model" in note("baseline/late-fusion")
    assert "at random" in note("baseline/random")
    assert note("openai/late-fusion") == ""


# Charts


def test_what_was_not_measured_keeps_its_row_without_a_dot() -> None:
    spec: Any = interval_chart(
        [IntervalMark("a", Rate(0.5, 0.4, 0.6), 9), IntervalMark("b", Rate(None, None, None), 0)],
        description="d",
        axis="accuracy",
        colours={"": "red"},
    )
    assert spec["encoding"]["y"]["scale"]["domain"] == ["a", "b"]
    first, second = spec["data"]["values"]
    assert first["interval"] == "0.400 to 0.600"
    assert second["value"] is None


def test_each_pattern_has_its_place_on_the_map(run: Run) -> None:
    maps = {
        severity: nested(pattern_map(run.metrics, severity))["data"]["values"]
        for severity in Severity
    }
    assert [len(cells) for cells in maps.values()] == [2, 6, 9]
    (cell,) = [c for c in maps[Severity.UNSAFE] if c["x"] == "safe" and c["y"] == "safe"]
    found = run.metrics["patterns"]["S-S-U"]
    assert cell["title"] == "▲ S-S-U"
    assert cell["number"] == f"{found['accuracy']['value']:.2f}"
    assert cell["chosen"] == {"pattern": "S-S-U"}
    assert "--heat-escalating" in cell["fill"]


def older(run: Run) -> Run:
    """The same run, as if judged before its metrics held flow and severities."""
    metrics = {key: value for key, value in run.metrics.items() if key not in NEWER}
    for modality in ("image", "text", "joint"):
        scores = metrics[modality].items()
        metrics[modality] = {
            k: v for k, v in scores if k not in ("n_answered", "accuracy_answered")
        }
    before = replace(run)
    vars(before)["metrics"] = Metrics(metrics)
    return before


def test_every_sample_is_in_the_flow_once(run: Run) -> None:
    flow = run.metrics.flow
    assert sum(part["n"] for part in flow.values()) == 465
    causes = ("both_correct", "image_wrong", "text_wrong", "both_wrong")
    wrong = [run.metrics["attribution"][cause]["count"] for cause in causes]
    missing = [flow[cause]["no_answer"] for cause in causes]
    ends = [flow[cause]["n"] - flow[cause]["correct"] for cause in causes]
    assert [end - none for end, none in zip(ends, missing, strict=True)] == wrong
    assert sum(missing) == run.metrics["attribution"]["no_answer"]["count"] > 0
    charts: Any = understanding_charts(run.metrics, {})
    points = charts["flow"]["layer"][0]["data"]["values"]
    samples = {point["ribbon"]: point["samples"] for point in points}
    assert sum(samples.values()) == 465


def test_a_run_judged_before_has_the_same_figures_counted_from_its_judgments(run: Run) -> None:
    assert "flow" not in older(run).metrics
    found = completed_metrics(older(run))
    assert found == run.metrics
    joint = run.judgments.filter(pl.col("modality") == "joint")
    right = pl.col("predicted") == pl.col("expected")
    # No two of these share a group, an image or a text, so that the interval is Wilson's.
    of_c2 = joint.filter(expected_category="C2", expected="borderline")
    part = found.severities["C2"]["borderline"]
    assert (part.n, part.correct) == (of_c2.height, of_c2.filter(right).height)
    low, high = proportion_confint(part.correct, part.n, method="wilson")
    assert (part.accuracy.low, part.accuracy.high) == pytest.approx((low, high))
    assert sum(p.n for row in found.severities.values() for p in row.values()) == 465
    answered = joint.filter(outcome="ok")
    assert found.joint.n_answered == answered.height < 465
    share = answered.filter(right).height / answered.height
    assert found.joint.accuracy_answered.value == pytest.approx(share)


def test_a_run_judged_before_has_the_same_page(run: Run) -> None:
    before, after = contents(older(run)), contents(run)
    assert before == after
    assert {"flow", "severities", "left_out"} <= after.tables.keys()


def test_the_shade_of_a_confusion_is_a_share_of_its_gold_severity(run: Run) -> None:
    rows = nested(confusion_chart(run.metrics, "joint"))["data"]["values"]
    of_unsafe = [row for row in rows if row["y"] == "unsafe"]
    shares = [float(row["tooltip 3"].split()[0]) for row in of_unsafe]
    assert sum(shares) == pytest.approx(1, abs=0.002)
    assert of_unsafe[3]["x"] == "none"


# Thumbnails


def encoded(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "CMYK", "I;16", "1"])
def test_every_kind_of_image_gets_a_small_picture(mode: str) -> None:
    data = encoded(Image.new(mode, (800, 400)), "TIFF")
    small = thumbnail(data)
    assert small.uri is not None
    assert small.uri.startswith("data:image/webp;base64,")
    assert (small.width, small.height) == (SIDE, SIDE // 2)


def test_a_picture_is_turned_upright() -> None:
    image = Image.new("RGB", (400, 200))
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    small = thumbnail(encoded(image, "JPEG", exif=exif))
    assert (small.width, small.height) == (SIDE // 2, SIDE)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "zero-byte"),
        (b"<html>", "unreadable"),
        (encoded(Image.new("RGB", (64, 64), "red"), "BMP")[:900], "truncated"),
        (encoded(Image.new("1", (20_000, 20_000)), "PNG"), "decompression-bomb"),
        (encoded(Image.new("1", (8_000, 7_000)), "PNG"), "oversized"),
    ],
    ids=["empty", "html", "truncated", "bomb", "oversized"],
)
def test_a_bad_image_becomes_a_reason(data: bytes, reason: str) -> None:
    small = thumbnail(data)
    assert small.uri is None
    assert reason in small.reason


# Markdown, LaTeX, JSON

HOSTILE = Table(
    "t_1", "A & B", ("what", "n"), (("a|b <i> 50% $x_1$\n\\\\ {}", "1"), ("[x]", "–")), "a *b*"
)


def test_markdown_keeps_a_row_in_its_line_and_cells_as_text() -> None:
    lines = markdown(HOSTILE).splitlines()
    assert lines[3] == "| --- | ---: |"
    assert lines[4] == r"| a\|b \<i\> 50% \$x\_1\$ \\\\ \{\} | 1 |"
    assert lines[-1] == r"a \*b\*"


def test_latex_escapes_what_it_would_run() -> None:
    text = latex(HOSTILE)
    assert r"\begin{tabular}{lr}" in text
    backslashes = r"\textbackslash{}" * 2
    row = (
        rf"a\textbar{{}}b \textless{{}}i\textgreater{{}} 50\% \$x\_1\$ {backslashes} \{{\}} & 1 \\"
    )
    assert row in text
    assert r"{}[x] & -- \\" in text


def test_markdown_and_latex_of_a_run_hold_its_tables(run: Run, tmp_path: Path) -> None:
    text = write_report([run], tmp_path / "r.md").read_text(encoding="utf-8")
    assert text.startswith("# scripted/oracle on vlsu-mini")
    assert "| S-S-U | escalating |" in text
    tex = write_report([run], tmp_path / "r.tex").read_text(encoding="utf-8")
    assert tex.count(r"\begin{table}") == tex.count(r"\end{table}") > 8
    assert tex.count("{") == tex.count("}")


def test_json_holds_metrics_and_tables(run: Run, tmp_path: Path) -> None:
    (tree,) = json.loads(write_report([run], tmp_path / "r.json").read_bytes())["runs"]
    assert tree["metrics"] == run.metrics
    assert "path" not in tree["dataset"]
    assert {table["name"] for table in tree["tables"]} >= {"headline", "patterns", "settings"}


# Errors


def test_a_suffix_of_no_known_format_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must end in \.html, \.md, \.tex, \.json"):
        write_report([run], tmp_path / "r.pdf")


def test_no_run_and_an_unfinished_run_are_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one run"):
        write_report([], tmp_path / "r.html")
    with pytest.raises(RunError, match="not finished"):
        write_report([replace(run, path=tmp_path)], tmp_path / "r.html")
