"""The build that tests of assembly and others begin with."""

from tests.support.builds import finished_build
from vlsu.build.folder.build import status


def test_a_finished_build_has_what_it_wants(tmp_path):
    build = finished_build(tmp_path / "b", 20)
    found = status(build)
    assert found["short"] == []
    with build.store(read_only=True) as store:
        assert len(store.records("grades", kept=True)) == 22  # two of the unfiltered share
        assert {
            r.stage for s in ("images", "queries", "grades") for r in store.records(s, kept=False)
        } == {"images", "queries", "grades"}
        images = [record.provenance["sha256"] for record in store.records("images", kept=True)]
    assert len(set(images)) == len(images)
    assert all(build.images.path(sha256) for sha256 in images)
