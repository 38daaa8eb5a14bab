"""The Croissant description of an export, as the reference library reads it."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlcroissant
import pytest

from tests.support.exported import ANSWERS, make
from vlsu.data import EXPORT_FORMATS, Dataset, export_dataset
from vlsu.data.exporting.content import Batch, Content
from vlsu.data.exporting.lmms_eval import ModalityPrompt
from vlsu.data.exporting.questions import QUESTIONS
from vlsu.errors import DataError

#: Of rdflib and pandas, which mlcroissant calls by names that they give up.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

PROMPTS = {m: ModalityPrompt("", ("", ""), ("", "")) for m in ("image", "text", "joint")}

#: Attribute of mlcroissant's metadata -> key of the answer, for every RAI property.
ATTRIBUTES = {
    "data_collection": "collection",
    "data_collection_type": "collection_type",
    "data_collection_missing_data": "missing_data",
    "data_collection_raw_data": "raw_data",
    "data_collection_timeframe": "timeframe",
    "data_imputation_protocol": "imputation",
    "data_preprocessing_protocol": "preprocessing",
    "data_manipulation_protocol": "manipulation",
    "data_annotation_protocol": "annotation_protocol",
    "data_annotation_platform": "annotation_platform",
    "data_annotation_analysis": "annotation_analysis",
    "annotations_per_item": "annotations_per_item",
    "annotator_demographics": "annotator_demographics",
    "machine_annotation_tools": "machine_annotation",
    "data_biases": "biases",
    "data_use_cases": "uses",
    "data_limitations": "limitations",
    "data_social_impact": "social_impact",
    "personal_sensitive_information": "personal_information",
    "data_release_maintenance_plan": "maintenance",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make(tmp_path_factory.mktemp("made") / "D", datasheet=ANSWERS)


def exported(dataset: Dataset, format: str, folder: Path) -> Path:
    """The description of an export."""
    out = folder / f"x.{format}" if format in ("csv", "jsonl", "parquet") else folder / "X"
    export_dataset(dataset, format, out, prompts=PROMPTS)
    return (out if out.is_dir() else folder) / "croissant.json"


def opened(file: Path) -> Any:
    """The description, read by mlcroissant, if it has neither errors nor warnings."""
    dataset = mlcroissant.Dataset(jsonld=str(file))
    issues = dataset.metadata.ctx.issues
    assert (set(issues.errors), set(issues.warnings)) == (set(), set())
    return dataset


@pytest.mark.parametrize("format", EXPORT_FORMATS)
def test_every_format_is_described_without_a_complaint(
    made: Dataset, tmp_path: Path, format: str
) -> None:
    file = exported(made, format, tmp_path)
    metadata = opened(file).metadata
    assert metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"
    assert (metadata.name, metadata.version) in (("made", "1.2"), ({"en": "made"}, "1.2"))
    assert metadata.license == ["https://creativecommons.org/licenses/by/4.0/"]
    for each in metadata.file_objects:
        data = (file.parent / each.content_url).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), f"{len(data)} B") == (
            each.sha256,
            each.content_size,
        )


@pytest.mark.parametrize("format", [f for f in EXPORT_FORMATS if f != "webdataset"])
def test_its_records_are_the_samples(made: Dataset, tmp_path: Path, format: str) -> None:
    # Of JSON members of a tar, mlcroissant 1.1.1 reads no records, whoever describes them.
    records = list(opened(exported(made, format, tmp_path)).records("samples"))
    identifier = "samples/uuid" if format == "vlsu" else "samples/id"
    assert [record[identifier].decode() for record in records] == [s.id for s in made]
    if format in ("hf", "parquet", "lmms-eval"):
        assert records[0]["samples/image"].size == (4, 3)


def test_several_shards_are_one_record_set(
    made: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlsu.data.exporting.content.Content.batches", _two_at_a_time)
    monkeypatch.setattr("vlsu.data.exporting.parquet.SHARD_ROWS", 2)
    description = opened(exported(made, "hf", tmp_path))
    assert len(description.metadata.file_objects) == 3
    records = list(description.records("samples"))
    assert sorted(record["samples/id"].decode() for record in records) == sorted(
        sample.id for sample in made
    )


def _two_at_a_time(content: Content) -> Iterator[Batch]:
    pairs = list(content.rows())
    for start in range(0, len(pairs), 2):
        rows, pictures = zip(*pairs[start : start + 2], strict=True)
        yield Batch(list(rows), list(pictures))


@pytest.mark.parametrize("format", ["csv", "hf"])
def test_each_rai_property_is_read_back(made: Dataset, tmp_path: Path, format: str) -> None:
    metadata = opened(exported(made, format, tmp_path)).metadata
    asked = {question.key for question in QUESTIONS if question.rai is not None}
    assert set(ATTRIBUTES.values()) == asked
    for attribute, key in ATTRIBUTES.items():
        found, answer = getattr(metadata, attribute), ANSWERS[key]
        if key == "timeframe":
            assert [str(moment.date()) for moment in found] == answer
        else:
            assert found == (answer if isinstance(answer, list) else str(answer)), attribute


def test_the_specifications_spelling_is_there_too(made: Dataset, tmp_path: Path) -> None:
    tree = json.loads(exported(made, "csv", tmp_path).read_text())
    assert {f"rai:{question.rai}" for question in QUESTIONS if question.rai} <= set(tree)
    assert tree["conformsTo"][1] == "http://mlcommons.org/croissant/RAI/1.0"


def test_each_grade_says_who_gave_it_and_how(made: Dataset, tmp_path: Path) -> None:
    file = exported(made, "hf", tmp_path)
    (samples,) = opened(file).metadata.record_sets
    who = {
        field.id: [annotation.value for annotation in field.annotations]
        for field in samples.fields
        if field.annotations
    }
    assert who == {
        "samples/image_grade": ["one senior grader"],
        "samples/text_grade": ["three graders"],
        "samples/joint_grade": ["three graders"],
    }
    fields = json.loads(file.read_text())["recordSet"][0]["field"]
    (joint,) = [field for field in fields if field["name"] == "joint_grade"]
    assert joint["prov:wasAttributedTo"]["prov:label"] == "three graders"
    assert joint["prov:wasGeneratedBy"]["prov:label"] == "Blind, then by majority."
    assert made.policy.hash in joint["prov:wasGeneratedBy"]["prov:used"]["prov:label"]
    assert joint["annotation"]["equivalentProperty"] == "prov:wasAttributedTo"


def test_what_is_not_answered_is_not_said(tmp_path: Path) -> None:
    tree = json.loads(exported(make(tmp_path / "D"), "csv", tmp_path).read_text())
    assert not [key for key in tree if key.startswith("rai:")]
    assert not {"creator", "url"} & set(tree)
    fields = {field["name"]: field for field in tree["recordSet"][0]["field"]}
    assert "annotation" not in fields["joint_grade"]


@pytest.mark.parametrize(
    ("licence", "constraint", "prohibition"),
    [
        ("CC-BY-4.0", None, None),
        ("CC-BY-NC-4.0", "duo:0000018", None),
        ("CC-BY-NC-ND-4.0", "duo:0000018", "odrl:derive"),
    ],
)
def test_the_licence_is_machine_readable(
    tmp_path: Path, licence: str, constraint: str | None, prohibition: str | None
) -> None:
    dataset = make(tmp_path / "D", licence=licence)
    export_dataset(dataset, "csv", tmp_path / "x.csv", have_right=True)
    usage = json.loads((tmp_path / "croissant.json").read_text())["usageInfo"]
    opened(tmp_path / "croissant.json")
    assert "odrl:Offer" in usage["@type"]
    found = usage["odrl:permission"].get("odrl:constraint")
    assert (found and found["odrl:rightOperand"]["@id"]) == constraint
    assert (usage.get("odrl:prohibition", {}).get("odrl:action") or {}).get("@id") == prohibition


def test_a_date_that_is_none_is_one_line(tmp_path: Path) -> None:
    for key, answer in (("timeframe", ["last spring"]), ("published", "soon")):
        dataset = make(tmp_path / key, datasheet={key: answer})
        with pytest.raises(DataError, match=f"datasheet.{key}: .* is no date; write it as"):
            export_dataset(dataset, "csv", tmp_path / "x.csv")
        assert not (tmp_path / "x.csv").exists()
