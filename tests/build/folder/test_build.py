"""A build's folder: made, gone on with, changed behind its back, and how far it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.build.folder.made import CELL, chain, record
from vlsu._yaml import load_yaml, write_yaml
from vlsu.build.folder.build import init, open_build, provenance, status
from vlsu.build.folder.records import Decision
from vlsu.build.plan.targets import parse_targets
from vlsu.errors import BuildError, UsageError, VlsuError
from vlsu.policy import bundled_policy, default_policy


@pytest.fixture
def build(tmp_path):
    return init(
        tmp_path / "b", default_policy(), targets=parse_targets(["S-S-U/C9=3,all=0,S-S-S=2"])
    )


def test_a_new_build_has_nothing_of_what_is_wanted(build):
    found = status(build)
    assert found["cells"]["S-S-U"]["C9"] == {"wanted": 3, "have": 0, "lost": {}}
    assert found["cells"]["S-S-S"] == {"none": {"wanted": 2, "have": 0, "lost": {}}}
    assert "C6" not in found["cells"]["S-U-U"]
    assert found["cost"] == {"total": 0.0, "unpriced": 0}
    assert found["calls"] == 0
    assert [(each["pattern"], each["missing"], each["reason"]) for each in found["short"]] == [
        ("S-S-S", 2, "not tried yet"),
        ("S-S-U", 3, "not tried yet"),
    ]
    assert found["forecast"]["missing"] == 5
    assert found["forecast"]["tries"]["value"] is None


def test_status_counts_what_the_stages_left(build):
    with build.store() as store:
        chain(store, concept="one")
        _, image, _, grade = chain(store, concept="two")
        store.decide([Decision(grade, False, "the pair is borderline")])
        store.add_call("k", "grades", "openai/x", 2.0)
        other = replace(CELL, language="de")  # a query in another language, out of the same image
        key = store.prompts().popitem()[0]
        (german,) = store.add([record("queries", key, image, other)])
        store.decide([Decision(german, False, "describes the image")])
    found = status(build)
    assert found["cells"]["S-S-U"]["C9"] == {
        "wanted": 3,
        "have": 1,
        "lost": {"queries": 1, "grades": 1},
    }
    assert found["short"][1]["reason"].endswith("most at grades: the pair is borderline (1)")
    assert (found["calls"], found["cost"]["total"]) == (1, 2.0)
    forecast = found["forecast"]
    assert forecast["missing"] == 4
    assert forecast["tries"]["value"] == 12  # one try in three ended with a sample
    assert forecast["cost"]["value"] == pytest.approx(8)


def test_a_sample_says_where_it_is_from(build):
    with build.store() as store:
        *_, grade = chain(store)
        found = provenance(store, grade)
        (prompt,) = store.prompts()
    assert list(found) == ["concept", "query", "image", "pre_grades"]
    assert found["concept"]["category"] == "C9"
    assert found["image"] | {"source": "folder", "licence": "CC0-1.0"} == found["image"]
    assert found["pre_grades"]["joint"] == "unsafe"
    assert {found[part]["prompt"] for part in ("concept", "query", "pre_grades")} == {prompt}


def test_the_grading_app_reads_that_provenance(build):
    from vlsu.annotate.projects.content import is_hard, stratum_of
    from vlsu.data import Sample

    with build.store() as store:
        sample = Sample(id="s", metadata={"provenance": provenance(store, chain(store)[-1])})
    assert stratum_of(sample) == "C9"
    assert [is_hard(sample, each) for each in ("image", "text", "joint")] == [False, False, True]


def test_the_same_settings_go_on_and_others_are_refused(tmp_path):
    folder, policy = tmp_path / "b", default_policy()
    made = init(folder, policy)
    with made.store() as store:
        chain(store)
    assert status(init(folder, policy)) == status(made)
    for about, named in (
        ({"seed": 1}, "other seed"),
        ({"languages": ["de"]}, "other languages"),
        ({"targets": parse_targets(["all=2"])}, "other targets"),
    ):
        with pytest.raises(BuildError, match=named):
            init(folder, policy, **about)
    with pytest.raises(BuildError, match="other policy"):
        init(folder, bundled_policy("binary"))


def test_a_build_that_was_never_complete_is_made(tmp_path):
    made = init(tmp_path / "b", default_policy())
    (made.folder / "build.yaml").rename(made.folder / "build.yaml.part")
    with pytest.raises(BuildError, match="no build; make one with vlsu build init"):
        open_build(made.folder)
    assert init(made.folder, default_policy()).settings == made.settings


def test_a_file_where_the_folder_should_be_is_a_line(tmp_path):
    (tmp_path / "file").write_text("mine")
    for place in ("file", "file/inside"):
        with pytest.raises(BuildError, match=r"cannot be used \(.*\); give another folder"):
            init(tmp_path / place, default_policy())


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BuildError, match=r"has 'notes\.txt' in it; give an empty folder"):
        init(tmp_path, default_policy())
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("languages", "said"),
    [
        ([], "give at least one"),
        (["en", "tlh"], "--languages 'tlh': texts can be built in en, de, fr, es"),
        (["en", "en"], "given twice"),
    ],
)
def test_languages_whose_age_words_are_unknown_are_refused(tmp_path, languages, said):
    with pytest.raises(UsageError, match=said):
        init(tmp_path / "b", default_policy(), languages=languages)
    assert not (tmp_path / "b").exists()


def test_nothing_wanted_is_refused(tmp_path):
    with pytest.raises(UsageError, match="nothing is wanted"):
        init(tmp_path / "b", default_policy(), targets=parse_targets(["all=0"]))


def test_a_policy_that_was_changed_is_noticed(build):
    file = build.folder / "policy.yaml"
    file.write_text(file.read_text().replace('version: "1.1"', 'version: "9"'))
    with pytest.raises(BuildError, match="was changed after the build was made"):
        open_build(build.folder)


@pytest.mark.parametrize(
    ("entry", "value", "said"),
    [
        ("format", "other/1", "format is 'other/1'"),
        ("format", None, "format is 'None'"),
        ("rails", {"version": "0", "hash": "x"}, "under rules '0' on what is never built"),
        ("rails", 3, "rails: expected a mapping, found int"),
        ("languages", [], "languages: expected at least one"),
        ("languages", [1], "languages: expected a text, found int"),
        ("targets", {"S-S": 1}, "targets: --target 'S-S=1'"),
        ("targets", {"S-U-U/C6": 1}, "--target S-U-U/C6=1"),
        ("targets", {"all": [1]}, "targets"),
        ("seed", True, "seed: expected a whole number, found bool"),
        ("policy", {"hash": 5}, "was changed"),
    ],
)
def test_a_build_yaml_that_cannot_be_read_is_a_line(build, entry, value, said):
    file = build.folder / "build.yaml"
    file.write_text(write_yaml({**load_yaml(file, VlsuError), entry: value}))
    with pytest.raises(BuildError) as refused:
        open_build(build.folder)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
