"""The datasheet of an export: figures of the samples, prose of the author."""

from pathlib import Path

import pytest

from tests.support.commands import vlsu
from tests.support.exported import ANSWERS, make
from vlsu.data import export_dataset, filter_dataset, load, sample_dataset, write_dataset
from vlsu.data.exporting.questions import QUESTIONS, unanswered
from vlsu.data.licences import read_licence
from vlsu.errors import DataError


def sheet(folder: Path, **more: object) -> str:
    export_dataset(make(folder / "D", **more), "csv", folder / "x.csv")
    return (folder / "DATASHEET.md").read_text(encoding="utf-8")


def test_figures_are_those_of_the_samples(tmp_path: Path) -> None:
    text = sheet(tmp_path)
    for row in (
        "| samples | 5 |",
        "| different images | 3 |",
        "| samples without a text | 1 |",
        "| samples that share an image with another | 2 |",
        "| samples that share a group with another | 2 |",
        "| characters of a text: least, median, greatest | 5, 13, 29 |",
        "| safe | 3 | 2 | 1 |",
        "| S-S-U | 1 |",
        "| a grade is absent | 2 |",
        "| C3 | 0 | 2 | 1 |",
        "| en | 2 |",
    ):
        assert row in text.splitlines(), row
    assert "by the grades 2 samples have a part that is unsafe or borderline" in text


def test_prose_is_the_authors(tmp_path: Path) -> None:
    text = sheet(tmp_path, datasheet=ANSWERS)
    for answer in ("To test exports.", "- English only.", "- image: one senior grader"):
        assert answer in text.splitlines()
    assert f"of {len(QUESTIONS)} questions are unanswered" in text  # a few are open


def test_what_is_not_answered_is_said_with_its_key(tmp_path: Path) -> None:
    text = sheet(tmp_path)
    assert f"{len(QUESTIONS)} of {len(QUESTIONS)} questions are unanswered" in text
    assert text.count("*Unanswered (") == len(QUESTIONS)
    assert "*Unanswered (`datasheet.funding` in `dataset.yaml`).*" in text


def test_no_html_of_a_text_gets_into_the_documents(tmp_path: Path) -> None:
    attack = "<script>alert(1)</script>"
    dataset = make(tmp_path / "D", name=attack, description=attack, datasheet={"purpose": attack})
    folder = export_dataset(dataset, "hf", tmp_path / "X")
    for name in ("DATASHEET.md", "README.md"):
        body = (folder / name).read_text().rpartition("\n---\n")[2]
        assert "<script" not in body


def test_the_questions_are_put_into_the_file_and_asked_once(tmp_path: Path) -> None:
    dataset = make(tmp_path / "D", datasheet={"purpose": "P: one", "biases": ["a", "b"]})
    said = vlsu("data", "datasheet", dataset.path, "--init").stderr
    assert f"{len(QUESTIONS) - 2} questions added" in said
    text = (dataset.path / "dataset.yaml").read_text()
    assert text.count("\n  # ") == len(QUESTIONS)
    again = load(dataset.path)
    assert again.info.datasheet["purpose"] == "P: one"
    assert again.info.datasheet["biases"] == ["a", "b"]
    assert len(unanswered(again.info.datasheet)) == len(QUESTIONS) - 2
    (dataset.path / "dataset.yaml").write_text(
        text.replace("  funding: null", "  funding: Nobody.")
    )
    assert load(dataset.path).info.datasheet["funding"] == "Nobody."
    listed = vlsu("data", "datasheet", dataset.path).stdout
    assert "Nobody." in listed
    assert "unanswered" in listed


def test_the_bundled_dataset_is_not_changed() -> None:
    said = vlsu("data", "datasheet", "vlsu-mini", "--init", expect=2).stderr
    assert "comes with vlsu and is not changed" in said


def test_answers_go_along_with_what_is_made_of_the_dataset(tmp_path: Path) -> None:
    dataset = make(tmp_path / "D", datasheet=ANSWERS)
    drawn = sample_dataset(dataset, tmp_path / "S", n=2)
    kept = filter_dataset(dataset, tmp_path / "F", where=["language=en"])
    assert drawn.info.datasheet == kept.info.datasheet == ANSWERS
    about = {"name": "n", "version": "2", "licence": "", "citation": "", "source": ""}
    again = write_dataset(dataset.path, [], overwrite=True, **about)  # type: ignore[arg-type]
    assert again.info.datasheet == ANSWERS


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"purpos": "x"}, r"datasheet\.purpos: no such question; .*purpose"),
        ({"purpose": {"a": "b"}}, r"datasheet\.purpose: a text or a list of texts"),
        ({"biases": [["a"]]}, r"datasheet\.biases: a text or a list of texts"),
        ({"annotators": {"sound": "me"}}, r"datasheet\.annotators: a text or a list"),
    ],
)
def test_an_answer_that_cannot_be_printed_is_one_line(
    tmp_path: Path, answers: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        sheet(tmp_path, datasheet=answers)


@pytest.mark.parametrize(
    ("name", "spdx", "restrictions"),
    [
        ("CC-BY-4.0", "CC-BY-4.0", ()),
        ("cc by-sa 3.0", "CC-BY-SA-3.0", ()),
        ("CC BY-NC 4.0", "CC-BY-NC-4.0", ("non-commercial",)),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", ("no-derivatives",)),
        ("CC-BY-NC-ND", None, ("non-commercial", "no-derivatives")),
        ("CC-BY-4.0 AND CC-BY-NC-4.0", None, ("non-commercial",)),
        ("Creative Commons Attribution-NonCommercial-NoDerivatives", None,
         ("non-commercial", "no-derivatives")),
        ("for research use only", None, ("non-commercial",)),
        ("gated: see the terms of the source", None, ("no-redistribution",)),
        ("no-redistribution", None, ("no-redistribution",)),
        ("delegated by NCSU, Raleigh, NC", None, ()),
        ("Research purposes only", None, ("non-commercial",)),
        ("Only for academic use", None, ("non-commercial",)),
        ("not for commercial use", None, ("non-commercial",)),
        ("Commercial use is prohibited.", None, ("non-commercial",)),
        ("CC\u2011BY\u2011NC\u20114.0", None, ("non-commercial",)),
        ("CCBYNC", None, ("non-commercial",)),
        ("https://creativecommons.org/licenses/by-nc-nd/4.0/", None,
         ("non-commercial", "no-derivatives")),
        ("CC_BY_NC_ND", None, ("non-commercial", "no-derivatives")),
        ("CC-BY-SA-4.0; gated: no redistribution", None, ("no-redistribution",)),
        ("All rights reserved", None, ("no-redistribution",)),
        ("Ground truth by Nance, commercial use welcome", None, ()),
        ("CC0", "CC0-1.0", ()),
        ("apache-2.0", "Apache-2.0", ()),
        ("MIT", "MIT", ()),
        ("unknown", None, ()),
        ("Standard and sync licence", None, ()),
    ],
)  # fmt: skip
def test_licences_are_read_by_their_names(
    name: str, spdx: str | None, restrictions: tuple[str, ...]
) -> None:
    licence = read_licence(name)
    assert (licence.spdx, licence.restrictions) == (spdx, restrictions)
    assert (licence.hub == "other") == (spdx is None)


def test_the_addresses_of_licences() -> None:
    assert read_licence("CC-BY-NC-4.0").url == "https://creativecommons.org/licenses/by-nc/4.0/"
    assert read_licence("MIT").url == "https://spdx.org/licenses/MIT"
    assert read_licence("CC0").url == "https://creativecommons.org/publicdomain/zero/1.0/"
    assert read_licence("mine").url is None
