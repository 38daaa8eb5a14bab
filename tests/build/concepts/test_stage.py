"""The stage of concepts: what is asked for, what is kept, and what is given up and why."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.build.concepts.made import Author, asked_of, concept, writing
from vlsu.build.asking.asking import Writer
from vlsu.build.concepts.prompt import PROMPT
from vlsu.build.concepts.stage import make_concepts
from vlsu.build.folder.build import init
from vlsu.build.folder.demand import demand
from vlsu.build.folder.store import prompt_hash
from vlsu.build.plan.cells import Place
from vlsu.build.plan.targets import parse_targets
from vlsu.errors import UsageError
from vlsu.policy import Severity, default_policy
from vlsu.runs.asking.limits import Budget, Limits, Price

NO_MINOR = {"sexual": False, "propaganda": False}


@pytest.fixture
def build(tmp_path):
    return made(tmp_path)


def made(folder, targets="S-S-U/C9=6,U-S-U/C3=4,S-S-S=3,all=0", **settings):
    return init(
        folder / "b", default_policy(), targets=parse_targets(targets.split(",")), **settings
    )


def make(build, author=None, budget=None, **options):
    return make_concepts(build, writing(author or Author()), budget=budget or Budget(), **options)


def kept(build, decided=True):
    with build.store(read_only=True) as store:
        return store.records("concepts", kept=decided)


def contents(build):
    return [(str(r.cell.pattern), r.key, r.content) for r in kept(build)]


def test_every_place_gets_as_many_concepts_as_it_lacks_images(build):
    report = make(build)
    assert (report.tries, report.made, report.kept, report.lost) == (13, 13, 13, {})
    found = Counter(Place.of(record.cell) for record in kept(build))
    assert found == {
        Place("C9", Severity.SAFE): 6,
        Place("C3", Severity.UNSAFE): 4,
        Place(None, Severity.SAFE): 3,
    }
    with build.store(read_only=True) as store:
        assert demand(build, store).concepts_wanted == {}
    assert make(build).tries == 0


def test_a_concept_has_the_keys_that_the_other_stages_read(build):
    author = Author()
    make(build, author)
    with build.store(read_only=True) as store:
        prompts = store.prompts()
    for record in kept(build):
        assert set(record.content) == {
            *("concept", "search", "kinds", "category"),
            *("setting", "subject", "viewpoint", "culture", "season", "medium"),
        }
        assert record.content["category"] == (record.cell.category or record.content["category"])
        assert record.content["category"] in build.policy.category_ids
        assert record.content["kinds"] == {"minor": False, **NO_MINOR}
        provenance = record.provenance
        assert set(provenance) == {"model", "prompt", "seed", "request"}
        assert (provenance["model"], provenance["seed"]) == ("own/author", 0)
        assert prompts[provenance["prompt"]] == ("concepts", PROMPT.text)
        assert provenance["prompt"] == prompt_hash(PROMPT.text)
    asked = sorted(sorted(asked_of(question).items()) for question in author.questions)
    drawn = ("setting", "subject", "viewpoint", "culture", "season", "medium")
    assert asked == sorted(
        sorted((name, record.content[name]) for name in drawn) for record in kept(build)
    )


def answering(reason_or_text):
    """An author whose second answer is another one."""
    return Author(lambda question, n: reason_or_text(question) if n == 2 else concept(question))


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (lambda q: "I'm sorry, but I can't help with that.", "refused by the model"),
        (lambda q: "A bridge.", "answer cannot be read"),
        (lambda q: concept(q, kinds={"minor": True, **NO_MINOR}), "rails: minor-in-harm"),
        (lambda q: concept(q, search="a child on a swing"), "rails: minor-in-harm"),
        (lambda q: concept(q, concept="A 12-year-old at a desk."), "rails: minor-in-harm"),
        (lambda q: concept(q, concept="Dr. Miller at a desk."), "names a person or an address"),
        (lambda q: concept(q, search="see https://example.org/a"), "names a person or an address"),
        (lambda q: concept(q, concept="1.0 );"), "describes nothing"),
        (lambda q: concept(q, search="123 );"), "describes nothing"),
    ],
)
def test_what_is_given_up_has_a_reason_and_leaves_no_words_behind(tmp_path, second, reason):
    build = made(tmp_path, "S-S-U/C9=6,all=0")
    report = make(build, answering(second))
    assert report.lost == {reason: 1}
    assert report.kept == 5
    (lost,) = kept(build, False)
    assert not {"concept", "search", "kinds"} & set(lost.content)
    assert {"setting", "category"} <= set(lost.content)


def test_what_only_looks_near_a_category_is_held_to_its_rules_too(tmp_path):
    build = made(tmp_path, "S-S-S=30,all=0")
    author = Author(lambda q, n: concept(q, kinds={"minor": True, **NO_MINOR}))
    make(build, author)
    near = Counter(record.content["category"] for record in kept(build))
    # an ordinary picture of a child is nothing against a build, except near these six
    assert set(near) == {*build.policy.category_ids} - {"C4", "C6", "C7", "C9", "C11", "C15"}
    assert set(near.values()) == {2}


def test_the_second_of_two_that_say_nearly_the_same_is_given_up(tmp_path):
    build = made(tmp_path, "S-S-U/C9=4,all=0")
    same = [
        "A wooden bridge over a quiet river at noon.",
        "A wooden bridge over a quiet river, noon",
    ]
    author = Author(lambda q, n: concept(q, concept=same[n - 1]) if n <= 2 else concept(q))
    report = make(build, author)
    assert report.lost == {"near-duplicate": 1}
    (lost,) = kept(build, False)
    assert lost.content["concept"] == same[1]
    # the next start asks for the one that is missing, and compares with what was kept before
    again = make(build, Author(lambda q, n: concept(q, concept=same[0].upper())))
    assert again.lost == {"near-duplicate": 1}
    assert make(build).kept == 1


def test_a_lost_concept_is_asked_for_again_with_other_values(tmp_path):
    build = made(tmp_path, "S-S-U/C9=3,all=0")
    first, then = Author(lambda q, n: "A bridge."), Author()
    make(build, first)
    make(build, then)
    assert len(kept(build)) == 3
    assert not set(first.questions) & set(then.questions)


def test_a_number_is_asked_for_at_most_in_all_places_alike(build):
    report = make(build, number=6)
    assert report.tries == 6
    assert set(Counter(Place.of(record.cell) for record in kept(build)).values()) == {2}
    assert make(build).tries == 7
    assert len(kept(build)) == 13


def test_cut_short_and_continued_it_comes_to_the_same_and_asks_nothing_twice(build, tmp_path):
    author = Author()
    stopped = make(build, author, Budget(max_requests=5))
    assert stopped.stopped is not None
    assert stopped.tries == 5
    rest = make(build, author)
    assert rest.tries == 8
    assert len(author.questions) == len(set(author.questions)) == 13
    whole = made(tmp_path / "whole")
    make(whole)
    assert sorted(contents(whole)) == sorted(contents(build))


def test_answers_that_no_try_was_concluded_with_are_not_asked_for_again(build):
    """As a stage leaves it that is killed after the answers came in."""
    author = Author()
    make(build, author)
    before = contents(build)
    (build.folder / "build.sqlite").unlink()
    for file in build.folder.glob("build.sqlite-*"):
        file.unlink()
    make(build, author)
    assert len(author.questions) == 13
    assert contents(build) == before


def test_a_request_without_an_answer_stays_open_and_is_said(build):
    def failing(question, number):
        if number == 3:
            raise RuntimeError("out of memory")
        return concept(question)

    author = Author(failing)
    report = make(build, author)
    assert report.tries == 12
    assert report.lacking == ("no answer to 1 request; run the same command again",)
    assert make(build, author).tries == 1
    assert len(kept(build)) == 13


def test_calls_are_counted(build):
    make(build)
    with build.store(read_only=True) as store:
        assert store.calls().number == 13


def test_an_answer_whose_tokens_nobody_counted_has_no_price(build):
    model = writing(Author()).model
    make_concepts(build, Writer(model, Limits(price=Price(1, 2))), budget=Budget())
    with build.store(read_only=True) as store:
        assert (store.calls().cost, store.calls().unpriced) == (0, 13)


def test_a_classifier_writes_nothing(build):
    class Grader(Author):
        takes_instructions = False

    with pytest.raises(UsageError, match="own/author grades and does not write"):
        make(build, Grader())


def test_languages_of_texts_change_nothing_about_concepts(tmp_path):
    build = made(tmp_path, "S-S-U/C9=4,all=0", languages=["de", "en"])
    make(build)
    assert Counter(record.cell.language for record in kept(build)) == {"de": 2, "en": 2}
    assert json.dumps([record.content["concept"] for record in kept(build)]).isascii()
