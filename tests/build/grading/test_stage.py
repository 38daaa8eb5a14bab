"""The pre-grader at work: a real server, real images, and what it leaves in the build."""

from __future__ import annotations

import json
from functools import partial

import pytest
from aiohttp import web

from tests.build.grading.made import SSU, add_image, add_queries, answering, build_of, images
from tests.build.grading.made import image as image_bytes
from tests.support.commands import vlsu
from vlsu.build.folder.demand import demand
from vlsu.build.folder.records import Decision, Try
from vlsu.build.grading.stage import Grader, grade_queries
from vlsu.errors import ModelError, UsageError
from vlsu.models import as_model, open_model
from vlsu.models.base import Settings
from vlsu.policy import load_policy
from vlsu.runs.asking.limits import Limits

ENV = {"OPENAI_API_KEY": "k", "PATH": ""}


@pytest.fixture
def build(tmp_path):
    return build_of(tmp_path / "b", "S-S-U/C9=20")


@pytest.fixture
def server(chat_server):
    return chat_server(answering)


def grader(server, **more) -> Grader:
    settings = Settings(base_url=server.base_url, params=more.pop("params", {}))
    limits = more.pop("limits", Limits(concurrency=4))
    model = open_model(more.pop("spec", "openai/x"), settings)
    return Grader(
        model=model,
        settings=settings,
        limits=limits,
        unfiltered=more.pop("unfiltered", 0.0),
        **more,
    )


def reasons(store):
    """Text of each query -> why it is no sample; empty for one that is."""
    return {
        store.record(store.record(key).parent).content["text"]: each.reason
        for key, each in store.decisions("grades").items()
    }


def test_what_meets_the_cell_is_kept_and_the_rest_is_given_up_with_a_reason(build, server):
    with build.store() as store:
        for n, data in enumerate(images(2)):
            image = add_image(build, store, data, number=n)
            add_queries(store, image, f"a{n} [S-B-U]", f"b{n} [S-S-U C9]", f"c{n} [S-S-U C9]")
            add_queries(store, image, f"d{n} [refuse]", f"e{n} [mumble]", pair_of="x")
    report = grade_queries(build, grader(server))
    assert (report.tries, report.made, report.kept) == (4, 10, 2)
    with build.store() as store:
        found = reasons(store)
        assert found["a0 [S-B-U]"] == "text is borderline"
        assert found["b0 [S-S-U C9]"] == ""
        assert found["c0 [S-S-U C9]"] == "another candidate was kept"
        assert found["d1 [refuse]"] == "not graded (refused)"
        assert found["e1 [mumble]"] == "not graded (unparsed)"
        kept = store.records("grades", kept=True)
        assert kept[0].content == {
            "image": "safe",
            "text": "safe",
            "joint": "unsafe",
            "categories": {"image": None, "text": None, "joint": "C9"},
        }
        assert kept[0].provenance["run"] == "0001/run"
        assert kept[0].provenance["prompt"] in store.prompts()
        (refused,) = (
            each
            for each in store.records("grades", kept=False)
            if store.record(each.parent).content["text"] == "d0 [refuse]"
        )
        assert refused.content["text"] is None
        assert refused.content["outcomes"] == {"image": "ok", "text": "refused", "joint": "refused"}
        assert store.counts()[SSU].have == 2
        assert demand(build, store).cells[SSU] == 18
    assert grade_queries(build, grader(server)).tries == 0


def test_an_image_is_asked_about_once_over_all_rounds(build, server):
    with build.store() as store:
        image = add_image(build, store, image_bytes())
        add_queries(store, image, "one [S-S-B]")
    grade_queries(build, grader(server))
    assert len(server.requests) == 3
    with build.store() as store:
        add_queries(store, image, "two [S-S-U]")
    report = grade_queries(build, grader(server))
    assert report.kept == 1
    assert len(server.requests) == 5  # its text and the pair, not the image
    with build.store() as store:
        assert store.calls().number == 5
    assert [each.name for each in sorted(build.grades_folder.iterdir())] == ["0001", "0002"]


def test_one_grader_serves_several_rounds_within_one_budget(build, server):
    """As the loop has it: the model is opened once, and the bound is on all rounds together."""
    one = grader(server, limits=Limits(concurrency=1, max_requests=4))
    budget = one.limits.budget()
    with build.store() as store:
        place = add_image(build, store, image_bytes())
        add_queries(store, place, "one [S-S-B]")
    assert grade_queries(build, one, budget=budget).stopped is None
    with build.store() as store:
        add_queries(store, place, "two [S-S-U]")
    stopped = grade_queries(build, one, budget=budget).stopped
    assert stopped is not None
    assert stopped.message == "--max-requests 4 reached"
    assert len(server.requests) == 4


def test_no_file_of_an_image_is_copied(build, server):
    with build.store() as store:
        add_queries(store, add_image(build, store, image_bytes()), "one [S-S-U]")
    grade_queries(build, grader(server))
    assert not list(build.grades_folder.rglob("images"))


def test_stopped_by_a_bound_it_goes_on_and_asks_nothing_twice(build, server):
    with build.store() as store:
        for n, data in enumerate(images(3)):
            add_queries(store, add_image(build, store, data, number=n), f"q{n} [S-S-U]")
    arguments = ("build", "grade", build.folder, "--model", "openai/x", "--base-url")
    done = vlsu(*arguments, server.base_url, "--max-requests", "4", "--unfiltered", "0", env=ENV)
    assert "run the same command again to continue" in done.stderr
    with build.store() as store:
        assert store.calls().number == len(server.requests) == 4
        assert len(store.tries("grades", open_only=True)) == 3
    vlsu(*arguments, server.base_url, "--unfiltered", "0", env=ENV)
    bodies = [json.dumps(each, sort_keys=True) for each in server.requests]
    assert len(bodies) == len(set(bodies)) == 9
    with build.store() as store:
        assert store.calls().number == 9
        assert store.counts()[SSU].have == 3


def test_more_queries_before_it_goes_on_ask_only_what_is_missing(build, server):
    with build.store() as store:
        image = add_image(build, store, image_bytes())
        add_queries(store, image, "one [S-S-B]")
    report = grade_queries(build, grader(server, limits=Limits(max_requests=2, concurrency=1)))
    assert report.stopped is not None
    with build.store() as store:
        add_queries(store, image, "two [S-S-U]")
    assert grade_queries(build, grader(server)).tries == 1
    bodies = [json.dumps(each, sort_keys=True) for each in server.requests]
    assert len(bodies) == len(set(bodies)) == 5


def test_what_got_no_answer_stays_open(build, chat_server):
    broken = True

    def respond(body, number):
        if broken and "bad" in json.dumps(body):
            return web.json_response({"error": {"message": "too long"}}, status=400)
        return answering(body, number)

    server = chat_server(respond)
    with build.store() as store:
        for n, (data, word) in enumerate(zip(images(2), ("good", "bad"), strict=True)):
            add_queries(store, add_image(build, store, data, number=n), f"{word} [S-S-U]")
    report = grade_queries(build, grader(server))
    assert (report.tries, report.kept) == (1, 1)
    assert "no answer to 2 requests" in report.lacking[0]
    with build.store() as store:
        assert len(store.tries("grades", open_only=True)) == 1
        assert demand(build, store).cells[SSU] == 18  # one is there, one under way
    broken = False
    assert grade_queries(build, grader(server)).kept == 1
    assert len(list(build.grades_folder.iterdir())) == 1


def test_a_share_is_kept_whatever_its_grades_and_does_not_fill_its_cell(build, server):
    with build.store() as store:
        add_queries(store, add_image(build, store, image_bytes()), "one [S-S-B]", "two [S-B-B]")
    assert grade_queries(build, grader(server, unfiltered=1.0)).kept == 1
    with build.store() as store:
        (kept,) = store.records("grades", kept=True)
        about = store.decisions("grades")[kept.key].about
        assert about == {"on_target": False, "unfiltered": True, "probability": 0.5}
        assert store.counts()[SSU].have == 0
        assert demand(build, store).cells[SSU] == 20


def test_an_image_of_what_is_never_built_is_given_up_with_all_made_of_it(build, chat_server):
    server = chat_server(partial(answering, alone="U C6"))
    with build.store() as store:
        image = add_image(build, store, image_bytes())
        add_queries(store, image, "one [S-S-U]")
    report = grade_queries(build, grader(server, unfiltered=1.0))
    assert report.lost == {"rails: explicit": 1}
    with build.store() as store:
        assert store.kept(image) is False
        assert build.images.count() == 0
        assert store.decisions("images")[image].reason == "rails: explicit"


def test_queries_taken_down_before_it_goes_on_end_their_try(build, server):
    with build.store() as store:
        image = add_image(build, store, image_bytes())
        (query,) = add_queries(store, image, "one [S-S-U]")
        store.plan([Try("grades", SSU, query, 0)])
        store.decide([Decision(image, False, "taken down")])
    assert grade_queries(build, grader(server)).tries == 0
    with build.store() as store:
        assert store.tries("grades", open_only=True) == []
    assert server.requests == []


def test_a_server_that_refuses_all_is_an_error_and_the_tries_stay(build, chat_server):
    body = {"error": {"message": "no such key"}}
    server = chat_server(lambda *_: web.json_response(body, status=401))
    with build.store() as store:
        add_queries(store, add_image(build, store, image_bytes()), "one [S-S-U]")
    with pytest.raises(ModelError, match="no such key"):
        grade_queries(build, grader(server))
    with build.store() as store:
        assert len(store.tries("grades", open_only=True)) == 1


def test_an_unknown_share_and_a_grader_of_texts_alone_are_refused(build, server):
    with pytest.raises(UsageError, match="--unfiltered 2: give a share from 0 to 1"):
        Grader(model="baseline/late-fusion", unfiltered=2)
    with pytest.raises(UsageError, match="does not judge image"):
        grade_queries(build, grader(server, spec="guard/qwen3guard:x"))


def test_a_policy_of_two_severities(tmp_path, server):
    build = build_of(tmp_path / "b", "S-S-U=20", policy=load_policy("binary"))
    with build.store() as store:
        add_queries(store, add_image(build, store, image_bytes()), "a [S-U-U]", "b [S-S-U]")
    report = grade_queries(build, grader(server))
    assert (report.kept, report.lost) == (1, {"text is unsafe": 1})
    assert "borderline" not in json.dumps(server.requests)


def test_one_embedded_grader_serves_several_rounds(build):
    one = Grader(model=as_model("baseline/late-fusion"))
    with build.store() as store:
        place = add_image(build, store, image_bytes())
    for text in ("How do I bake a cake?", "What is the capital of France?"):
        with build.store() as store:
            add_queries(store, place, text)
        assert grade_queries(build, one).tries == 1


def test_the_embedded_baseline(build):
    with build.store() as store:
        add_queries(store, add_image(build, store, image_bytes()), "How do I bake a cake?")
    report = grade_queries(build, Grader(model="baseline/late-fusion"))
    assert (report.tries, report.made) == (1, 1)
    with build.store() as store:
        assert store.calls() == (3, 0.0, 0)
