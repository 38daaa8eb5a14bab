"""What is looked at before anything is stored: the score, a model's word, and lists."""

from __future__ import annotations

import json
from functools import cache

import pytest

import vlsu
from tests.build.images.made import KINDS, ByWords, Shelf, concept, made_build, picture
from tests.build.images.test_stage import found, kept, outcomes
from vlsu.build.asking.asking import Writer
from vlsu.build.images.hash_lists import open_hash_list
from vlsu.build.images.looks import look
from vlsu.build.images.nsfw import Nsfw, calls_for_sexual, nsfw_refusal
from vlsu.build.images.options import Options
from vlsu.build.images.pre_filter import PreFilter, kinds_request, read_kinds
from vlsu.build.images.stage import find_images
from vlsu.build.plan.cells import Place
from vlsu.build.rails.rules import default_rails
from vlsu.data.images.pixels import decode_picture
from vlsu.errors import UsageError
from vlsu.models.base import Outcome, Response
from vlsu.models.inprocess import InProcessModel
from vlsu.policy import Severity, default_policy
from vlsu.runs.asking.limits import Budget, Limits

RAILS = default_rails(default_policy())


@pytest.mark.parametrize(
    ("score", "called_for", "minor", "reason"),
    [
        (0.1, False, False, None),
        (0.1, False, True, None),
        (0.3, False, False, None),
        (0.3, True, True, "rails: sexual-minor"),
        (0.6, True, False, None),
        (0.6, False, False, "pre-filter: sexual"),
        (0.6, True, True, "rails: sexual-minor"),
        (0.9, True, False, "pre-filter: explicit"),
        (0.9, True, True, "rails: sexual-minor"),
    ],
)
def test_what_a_score_refuses(score, called_for, minor, reason):
    refused = nsfw_refusal(score, called_for=called_for, minor=minor)
    assert (None if refused is None else refused.reason) == reason


@pytest.mark.parametrize(
    ("category", "severity", "called_for"),
    [
        ("C7", Severity.UNSAFE, True),
        ("C7", Severity.SAFE, False),
        ("C6", Severity.BORDERLINE, True),
        ("C9", Severity.UNSAFE, False),
        (None, Severity.SAFE, False),
    ],
)
def test_sexual_images_are_called_for_by_two_categories_alone(category, severity, called_for):
    assert calls_for_sexual(RAILS, Place(category, severity)) is called_for


@cache
def misjudged():
    """A croissant, drawn: the scorer, trained on photographs, takes it for sexual."""
    dataset = vlsu.load("vlsu-mini")
    (sha256,) = {s.image_sha256 for s in dataset if s.metadata["caption"] == "Croissant"}
    data = dataset.read_image(str(sha256))
    score = Nsfw().score(decode_picture(data).image)
    assert 0.5 <= score < 0.8
    return data, score


def test_a_sexual_score_is_refused_where_it_is_not_called_for_and_kept_where_it_is(tmp_path):
    data, score = misjudged()
    shelf = Shelf()
    shelf.put("a drawing", data)
    build = made_build(tmp_path / "a", "all=0", "S-S-U/C9=1")
    concept(build, "a drawing")
    assert found(build, shelf).refused == {"pre-filter: sexual": 1}
    (about,) = outcomes(build)
    (refused,) = about["candidates"]
    assert refused["about"] == {"nsfw": round(score, 3)}
    assert set(refused) == {"candidate", "source", "sha256", "reason", "everywhere", "about"}
    assert not list(build.images.files())

    build = made_build(tmp_path / "b", "all=0", "B-S-S/C7=1")
    concept(build, "a drawing", pattern="B-S-S", category="C7", kinds=KINDS | {"sexual": True})
    assert found(build, shelf).kept == 1
    assert kept(build)[0].content["kinds"]["sexual"] is True


def test_what_is_refused_for_one_place_may_serve_another(tmp_path):
    data, _ = misjudged()
    shelf = Shelf()
    shelf.put("a drawing", data)
    build = made_build(tmp_path, "all=0", "S-S-U/C9=1", "B-S-S/C7=1")
    concept(build, "a drawing")
    concept(build, "a drawing", pattern="B-S-S", category="C7", kinds=KINDS | {"sexual": True})
    report = found(build, shelf)
    assert (report.kept, report.refused) == (1, {"pre-filter: sexual": 1})
    assert kept(build)[0].cell.category == "C7"


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_sexual_score_with_a_minor_is_refused_in_every_category(tmp_path, language):
    data, _ = misjudged()
    shelf = Shelf()
    words = {"en": "a drawing of a girl", "de": "a drawing: ein Mädchen"}[language]
    shelf.put(words, data)
    # Minors may be shown in C1, and sexual images are what C7 is about.
    for category in ("C1", "C7"):
        build = made_build(tmp_path / category, "all=0", f"B-S-S/{category}=1")
        declared = KINDS | {"sexual": category == "C7"}
        concept(build, "a drawing", pattern="B-S-S", category=category, kinds=declared)
        (reason,) = found(build, shelf).refused
        assert reason in ("rails: sexual-minor", "rails: minor-in-harm")
        assert not list(build.images.files())


@pytest.mark.parametrize(("near", "kept"), [("C9", 0), ("C1", 1)])
def test_what_looks_near_a_category_is_held_to_its_rules(tmp_path, near, kept):
    shelf = Shelf()
    shelf.put("a boy at a fence", picture(1))
    build = made_build(tmp_path, "all=0", "S-S-S=1")
    concept(build, "at a fence", pattern="S-S-S", category=None, near=near)
    report = found(build, shelf)
    assert (report.kept, "rails: minor-in-harm" in report.refused) == (kept, not kept)


class Looker:
    """A model in this process that says the same of every image, and counts what it is asked."""

    modalities = frozenset({"image", "text", "joint"})

    def __init__(self, answer, *, takes_instructions=True):
        self.said = answer
        self.takes_instructions = takes_instructions
        self.asked = []

    def identity(self):
        return {"says": str(self.said)}

    def answer(self, requests, images):
        for request in requests:
            (sha256,) = request.images
            assert images.read_image(sha256).data
            self.asked.append(sha256)
        said = self.said if isinstance(self.said, str) else json.dumps(self.said)
        return [{"text": said} for _ in requests]


def asking(looker, budget=None):
    """Options with a model that looks."""
    writer = Writer(InProcessModel("made/looker", looker), Limits())
    return Options(model=PreFilter(writer, budget or Budget()))


def looked_at(tmp_path, looker, pattern="S-S-U", category="C9", images=1, declared=KINDS):
    """A build whose images a model looked at, and the report."""
    build = made_build(tmp_path, "all=0", f"{pattern}/{category}=1")
    concept(build, "a bridge", pattern=pattern, category=category, kinds=declared)
    shelf = Shelf()
    for n in range(images):
        shelf.put(f"bridge {n}", picture(n))
    return build, find_images(build, [shelf], ByWords([shelf]), asking(looker))


def test_the_word_of_a_model_goes_before_that_of_the_concept(tmp_path):
    build, report = looked_at(tmp_path, Looker(KINDS | {"propaganda": True}))
    assert report.kept == 1
    (record,) = kept(build)
    assert record.content["kinds"] == KINDS | {"propaganda": True}
    also = record.provenance["pre_filter"]["also"]
    assert (also["model"], also["kinds"]) == ("made/looker", ["propaganda"])
    with build.store(read_only=True) as store:
        assert also["prompt"] in store.prompts()
        assert store.calls().number == 1


@pytest.mark.parametrize(
    ("shown", "category", "reason"),
    [
        ({"minor"}, "C9", "rails: minor-in-harm"),
        ({"minor", "sexual"}, "C1", "rails: sexual-minor"),
        ({"sexual"}, "C9", "pre-filter: sexual"),
        ({"sexual"}, "C15", "rails: sexual-exploitation"),
    ],
)
def test_what_a_model_sees_is_refused_by_the_rails(tmp_path, shown, category, reason):
    looker = Looker({kind: kind in shown for kind in KINDS})
    build, report = looked_at(tmp_path, looker, category=category, images=3)
    assert report.refused == {reason: 3}
    everywhere = {each["everywhere"] for each in outcomes(build)[0]["candidates"]}
    assert everywhere == {reason == "rails: sexual-minor"}
    assert not list(build.images.files())
    assert len(looker.asked) == len(set(looker.asked)) == 3


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("I cannot help with that.", "pre-filter: refused"),
        ("It shows a bridge.", "pre-filter: unparsed"),
        ({"minor": False, "sexual": False}, "pre-filter: unparsed"),
        ({"minor": "no", "sexual": "no", "propaganda": "no"}, "pre-filter: unparsed"),
    ],
)
def test_without_an_answer_that_can_be_read_nothing_passes(tmp_path, answer, reason):
    build, report = looked_at(tmp_path, Looker(answer))
    assert (report.kept, report.refused) == (0, {reason: 1})
    assert not list(build.images.files())


def guard(severity, category=None):
    """A guard that grades every image so."""
    return Looker({"severity": severity, "category": category}, takes_instructions=False)


@pytest.mark.parametrize(
    ("verdict", "pattern", "category", "reason"),
    [
        (("safe",), "S-S-U", "C9", None),
        (("unsafe", "C9"), "S-S-U", "C9", "pre-filter: unsafe, and not wanted so"),
        (("unsafe", "C9"), "U-S-U", "C9", None),
        (("unsafe", "C6"), "U-S-U", "C9", "pre-filter: explicit"),
        (("unsafe", "C15"), "U-S-U", "C9", "pre-filter: exploitation"),
        (("borderline", "C6"), "U-S-U", "C9", None),
    ],
)
def test_a_guard_is_shown_the_image_alone(tmp_path, verdict, pattern, category, reason):
    looker = guard(*verdict)
    build, report = looked_at(tmp_path, looker, pattern=pattern, category=category)
    assert report.refused == ({reason: 1} if reason else {})
    assert report.kept == (reason is None)
    assert bool(list(build.images.files())) is (reason is None)


def test_a_model_that_judges_no_images_is_refused():
    looker = guard("safe")
    looker.modalities = frozenset({"text"})
    with pytest.raises(UsageError, match="judges no image by itself"):
        asking(looker).model.for_policy(default_policy())


def test_where_a_bound_is_reached_tries_stay_open_and_nothing_is_asked_twice(tmp_path):
    build = made_build(tmp_path, "all=0", "S-S-U/C9=3")
    shelf = Shelf()
    for n in range(3):
        concept(build, f"bridge {n}")
        shelf.put(f"bridge {n}", picture(n))
    looker = Looker(KINDS)
    options = asking(looker, Budget(max_requests=1))
    report = find_images(build, [shelf], ByWords([shelf]), options)
    assert report.stopped is not None
    assert report.stopped.reason == "budget"
    assert len(looker.asked) == report.kept == 1
    report = find_images(build, [shelf], ByWords([shelf]), asking(looker))
    assert (report.kept, report.stopped) == (2, None)
    assert len(looker.asked) == len(set(looker.asked)) == 3


@pytest.mark.parametrize("text", ["{}", "[]", "null", '{"minor": true}', "```json\n{}\n```"])
def test_other_objects_are_no_answer(text):
    assert read_kinds(Response(Outcome.OK, text), RAILS.kinds).outcome is Outcome.UNPARSED


def test_a_fenced_answer_after_reasoning_is_read():
    text = (
        '<think>{"minor": true}</think>\n```json\n' + json.dumps(KINDS | {"minor": True}) + "\n```"
    )
    assert read_kinds(Response(Outcome.OK, text), RAILS.kinds).kinds == frozenset({"minor"})


def test_the_question_names_each_kind_of_the_rails():
    request = kinds_request(RAILS, "ab" * 32)
    question = request.messages[-1].parts[-1]
    assert all(f'"{kind}": {meaning}' in question for kind, meaning in RAILS.kinds.items())
    assert request.images == ("ab" * 32,)


def test_what_is_on_a_hash_list_is_refused_for_good_and_named_nowhere(tmp_path):
    listed = decode_picture(picture(1)).image
    file = tmp_path / "known.csv"
    file.write_text(f"{look(listed).pdq},case 7\n")
    build = made_build(tmp_path / "b", "all=0", "S-S-U/C9=1", "U-S-U/C1=1")
    concept(build, "a bridge")
    concept(build, "a bridge", pattern="U-S-U", category="C1")
    shelf = Shelf()
    shelf.put("bridge in the fog", picture(1, size=(120, 90)), page="https://example.org/p")
    options = Options(hash_lists=(open_hash_list(str(file)),))
    report = find_images(build, [shelf], ByWords([shelf]), options)
    assert (report.kept, report.listed) == (0, 1)
    assert report.refused == {"on a hash list": 2}
    assert shelf.read_ids == ["000"]  # once, for the two concepts
    (entry,) = outcomes(build)[0]["candidates"]
    assert entry["about"] == {"list": "known.csv", "label": "case 7"}
    written = b"".join(f.read_bytes() for f in (tmp_path / "b").rglob("*") if f.is_file())
    assert b"in the fog" not in written
    assert b"example.org" not in written
