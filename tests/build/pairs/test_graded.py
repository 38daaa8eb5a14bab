"""A minimal pair by the real pre-grader: it is kept where its grades are those of its cell."""

from __future__ import annotations

from tests.build.pairs.test_stage import FURTHER, NEAR, TEXT
from tests.build.queries.made import answer, build_with, question, writer
from tests.conftest import completion
from tests.conftest import grade as graded
from vlsu.build.folder.build import provenance
from vlsu.build.grading.stage import Grader, grade_queries
from vlsu.build.pairs.samples import read_samples
from vlsu.build.pairs.stage import write_pairs
from vlsu.build.queries.manners import read_manners
from vlsu.build.queries.stage import QueryOptions, write_queries
from vlsu.runs.asking.limits import Budget


def test_of_two_texts_that_flip_the_grade_the_nearer_becomes_the_pair(tmp_path, chat_server):
    build = build_with(tmp_path, {"C9 safe": 1}, S_S_U__C9=1)

    def respond(body, _):
        said = question(body)
        if body["model"] == "grader":
            pair = "image_url" in str(body["messages"][-1]) and TEXT in said
            return graded("unsafe", "C9") if pair else graded("safe")
        return completion(answer(FURTHER, NEAR) if "<message>" in said else answer(TEXT))

    server = chat_server(respond)
    options = QueryOptions(candidates=1, manners=read_manners((), ("medium",)))
    grader = writer(server, "grader")
    pre_grader = Grader(model=grader.model, limits=grader.limits, unfiltered=0.0)
    write_queries(build, [writer(server)], options, budget=Budget())
    assert grade_queries(build, pre_grader).kept == 1
    assert write_pairs(build, writer(server), budget=Budget()).kept == 2
    report = grade_queries(build, pre_grader)
    assert (report.made, report.kept) == (2, 1)
    assert report.lost == {"another candidate was kept": 1}
    with build.store(read_only=True) as store:
        samples = read_samples(store)
        assert samples.flipped == set(samples.originals)
        _, pair = store.records("grades", kept=True)
        found = provenance(store, pair.key)
    assert found["query"]["text"] == NEAR
    assert found["query"]["pair_of"] in samples.originals
    assert found["pre_grades"]["joint"] == "safe"
