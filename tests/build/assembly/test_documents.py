"""What lies beside an assembled dataset: NOTICE, README, datasheet, Croissant with provenance."""

import json
import re

import mlcroissant
import polars as pl
import pytest
import yaml
from datasets.load import load_dataset

import vlsu as package
from tests.build.assembly.test_selecting import item
from tests.support.builds import WRITER, add_sample, chosen, finished_build
from tests.support.commands import vlsu
from vlsu.build.assembly.account import account_of, answers
from vlsu.build.assembly.documents import write_documents
from vlsu.build.assembly.items import public_source
from vlsu.data import write_dataset
from vlsu.data.exporting.questions import lines
from vlsu.data.sample import Sample

pytestmark = [
    # Of rdflib and pandas, which mlcroissant calls by names that they give up.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    made = finished_build(tmp_path_factory.mktemp("made") / "b", 6, unfiltered=0)
    mini = package.load("vlsu-mini")
    with made.store() as store:
        add_sample(made, store, mini, chosen(7)[-1], 300)
    return made


@pytest.fixture(scope="module")
def dataset(build):
    out = build.folder.parent / "d"
    vlsu("build", "assemble", build.folder, "--out", out, "--faces", "keep", "--name", "bench",
         "--licence", "CC-BY-4.0", "--citation", "Us, 2026")  # fmt: skip
    return package.load(out)


def croissant(dataset):
    return json.loads((dataset.path / "croissant.json").read_text())


def test_every_image_is_credited_once(dataset):
    notice = (dataset.path / "NOTICE.md").read_text()
    rows = re.findall(r"^- `(images/.*?)`: (.*)$", notice, re.MULTILINE)
    files = {path.relative_to(dataset.path).as_posix() for path in dataset.images.files()}
    assert {path for path, _ in rows} == files
    assert len(rows) == len(files)
    by_path = dict(rows)
    for sample in dataset:
        image = sample.metadata["provenance"]["image"]
        told = by_path[dataset.image_path(sample.image_sha256).relative_to(dataset.path).as_posix()]
        assert image["author"] in told
        assert image["licence"] in told
        assert image["page"] in told


def test_croissant_says_how_the_samples_came_to_be(build, dataset):
    opened = mlcroissant.Dataset(jsonld=str(dataset.path / "croissant.json"))
    issues = opened.metadata.ctx.issues
    assert (set(issues.errors), set(issues.warnings)) == (set(), set())
    tree = croissant(dataset)
    labels = [each["prov:label"] for each in tree["prov:wasGeneratedBy"]]
    assert labels[0] == "image concepts written: 8 kept, 0 given up"
    assert labels[1] == "images retrieved for the concepts: 8 kept, 1 given up"
    agents = tree["prov:wasGeneratedBy"][2]["prov:wasAssociatedWith"]
    assert [each["prov:label"] for each in agents] == [WRITER]
    with build.store(read_only=True) as store:
        hashes = {name: key for key, (name, _) in store.prompts().items()}
    used = tree["prov:wasGeneratedBy"][2]["prov:used"]
    assert [each["prov:label"] for each in used] == [f"prompt sha256:{hashes['queries']}"]
    assert tree["prov:wasDerivedFrom"] == [
        {"@type": "prov:Entity", "prov:label": "folder:gallery: 8 images"}
    ]
    assert tree["rai:dataCollection"].startswith("vlsu build: Concepts were written by")
    assert tree["vlsu:export"]["vlsu:gated"] is True


def test_croissant_reads_the_records_of_the_folder(dataset):
    opened = mlcroissant.Dataset(jsonld=str(dataset.path / "croissant.json"))
    records = [*opened.records("samples")]
    assert [row["samples/id"].decode() for row in records] == [sample.id for sample in dataset]
    pictures = {row["pictures-by-file/file"] for row in opened.records("pictures-by-file")}
    assert len(pictures) == len({sample.image_sha256 for sample in dataset})


def test_croissant_of_several_files_reads_all_of_them(build, tmp_path):
    items = [item(n) for n in range(5)]
    out = write_dataset(
        tmp_path / "d",
        [Sample(id=each.id, text=each.text) for each in items],
        name="d",
        version="1",
        licence="CC0-1.0",
        citation="",
        source="",
        shard_rows=2,
    )
    with build.store(read_only=True) as store:
        account = account_of(store)
    write_documents(build, out, items, account, canary="c", gated=False, graded=False, findings=())
    opened = mlcroissant.Dataset(jsonld=str(tmp_path / "d" / "croissant.json"))
    found = {row["samples/id"].decode() for row in opened.records("samples")}
    assert found == {each.id for each in items}


def test_the_readme_is_read_by_hugging_face_datasets(dataset, tmp_path):
    text = (dataset.path / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert set(front["extra_gated_fields"].values()) == {"text", "checkbox"}
    rows = load_dataset(str(dataset.path), split="test", cache_dir=str(tmp_path / "cache"))
    assert rows["id"][:] == [sample.id for sample in dataset]
    assert "# bench" in text
    assert "Cite: Us, 2026" in text
    assert "Texts and grades: CC-BY-4.0" in text


def test_the_datasheet_holds_the_account(dataset):
    text = (dataset.path / "DATASHEET.md").read_text()
    for words in (
        "Given up at queries: describes the image (1).",
        "No share was kept unfiltered",
        "Faces were neither looked for nor blurred.",
        "canary GUID",
    ):
        assert words in text, words


def test_no_folder_of_this_machine_is_published(dataset):
    for path in dataset.path.iterdir():
        if path.suffix in (".md", ".json", ".yaml"):
            assert str(dataset.path.parent) not in path.read_text(), path.name
    metadata = pl.read_parquet(dataset.path / "samples.parquet")["metadata"].to_list()
    assert not any(str(dataset.path.parent) in each for each in metadata)
    assert public_source("dataset:/home/me/Sets/Mine?caption=title") == "dataset:Mine?caption=title"
    assert public_source("commons:https://example.org/w/api.php").endswith("/w/api.php")


def test_what_the_author_and_the_grading_app_answered_stays(build):
    with build.store(read_only=True) as store:
        account = account_of(store)

    def told(former):
        return answers(
            build, account, left_out={"no agreed grade": 2}, faces=["Faces."], findings=["Found."],
            selected=(), terms="Terms.", former=former,
        )  # fmt: skip

    first = told({"purpose": "To measure.", "timeframe": ["2026-01-01", "2026-02-01"]})
    assert first["purpose"] == "To measure."
    assert first["timeframe"] == ["2026-01-01", "2026-02-01"]
    # The grading app quotes what was answered before, and adds lines of its own.
    quoted = "; ".join(lines(first, "machine_annotation"))
    graded = {
        **first,
        "machine_annotation": "of the source's own grades, kept in metadata.source_grades: "
        + quoted,
        "selection": [*lines(first, "selection"), "Selected by a model: of 9 samples 3."],
        "annotation_platform": "vlsu annotate",
    }
    second = told(graded)
    assert second["machine_annotation"] == first["machine_annotation"]
    assert second["annotation_platform"] == "vlsu annotate"
    assert lines(second, "selection") == [
        *lines(first, "selection"),
        "Selected by a model: of 9 samples 3.",
    ]
    assert lines(second, "missing_data") == ["vlsu build: Not assembled: no agreed grade (2)."]
