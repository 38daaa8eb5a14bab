"""What the audits look at in a build and in a dataset: the same."""

from __future__ import annotations

import vlsu
from tests.support.builds import GRADER, WRITER, finished_build
from vlsu.build.audits.items import items_of_build, items_of_samples
from vlsu.build.folder.build import provenance
from vlsu.build.folder.records import Decision
from vlsu.data import Sample


def test_of_a_build_it_is_the_samples_on_target(tmp_path):
    build = finished_build(tmp_path / "b", 12, unfiltered=2)
    with build.store() as store:
        found = items_of_build(store)
        assert len(found) == 12
        grades = {each.key for each in store.records("grades", kept=True)}
        assert {each.key for each in found} < grades
        for each in found:
            chain = store.chain(each.key)
            assert each.text == chain["queries"].content["text"]
            assert each.caption == chain["images"].content["caption"]
            assert each.image == chain["images"].provenance["sha256"]
            assert each.image_key == chain["images"].key
            assert each.made["writer"] == WRITER != GRADER
        store.decide([Decision(str(found[0].image_key), False, "taken down")])
        assert found[0].key not in {each.key for each in items_of_build(store)}


def test_a_sample_that_is_assembled_and_not_graded_yet_is_the_same(tmp_path):
    build = finished_build(tmp_path / "b", 6, unfiltered=0)
    with build.store(read_only=True) as store:
        built = items_of_build(store)
        samples = [
            Sample(
                each.key,
                each.text,
                each.cell.language,
                image_sha256=each.image,
                metadata={"provenance": provenance(store, each.key)},
            )
            for each in built
        ]
    for one, other in zip(built, items_of_samples(samples), strict=True):
        assert (one.key, one.text, one.caption, one.image) == (
            *(other.key, other.text),
            *(other.caption, other.image),
        )
        assert one.cell == other.cell
        assert one.made == other.made


def test_of_a_dataset_it_is_the_samples_with_three_grades():
    mini = vlsu.load("vlsu-mini")
    found = items_of_samples(mini)
    assert len(found) == sum(sample.pattern is not None for sample in mini)
    assert {str(each.cell.pattern) for each in found} == {
        str(sample.pattern) for sample in mini if sample.pattern
    }
    assert items_of_samples([Sample("a", "b", metadata={"provenance": [], "groups": 3})]) == []
