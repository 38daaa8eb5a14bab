"""What a build's database keeps to, whatever the stages do."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.build.folder.made import CELL, PROMPT, chain, keep, record
from vlsu.build.folder.records import STAGES, Decision, Record
from vlsu.build.folder.store import Store, prompt_hash
from vlsu.build.plan.cells import Cell
from vlsu.errors import BuildError, VlsuError
from vlsu.policy import Pattern


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "build.sqlite") as store:
        yield store


def test_a_chain_from_concept_to_sample_is_counted_in_its_cell(store):
    chain(store)
    assert {cell: (n.have, n.open, n.lost) for cell, n in store.counts().items()} == {
        CELL: (1, 0, {})
    }


def test_what_is_added_again_is_there_once(store):
    keys = chain(store)
    assert chain(store) == keys
    assert [len(store.records(stage, kept=True)) for stage in STAGES] == [1, 1, 1, 1]


def test_records_come_back_as_they_were_and_in_their_order(store):
    prompt = store.add_prompt("concepts", PROMPT)
    made = [record("concepts", prompt, concept=f"Brücke {n}") for n in range(5)]
    keys = store.add(made)
    assert store.records("concepts", kept=None) == made
    keep(store, keys[3])
    store.decide([Decision(keys[0], False, "too near to another")])
    assert store.records("concepts", kept=True) == [made[3]]
    assert store.records("concepts", kept=False) == [made[0]]
    assert store.records("concepts", kept=None) == [made[1], made[2], made[4]]


def test_a_reader_sees_one_moment_while_another_process_adds(store):
    chain(store)
    with Store(store.path, read_only=True) as reader:
        before = reader.decisions("concepts")
        prompt = store.add_prompt("concepts", PROMPT)
        keep(store, *store.add([record("concepts", prompt, concept="a tower")]))
        assert {each.key for each in reader.records("concepts", kept=True)} == set(before)
    with Store(store.path, read_only=True) as reader:
        assert len(reader.records("concepts", kept=True)) == len(before) + 1


def test_what_is_given_up_is_counted_by_stage_and_reason(store):
    prompt = store.add_prompt("concepts", PROMPT)
    keys = store.add(record("concepts", prompt, concept=str(n)) for n in range(3))
    store.decide([Decision(keys[0], False, "rails"), Decision(keys[1], False, "rails")])
    (count,) = store.counts().values()
    assert (count.lost, count.reasons, count.open) == ({"concepts": 2}, {"rails": 2}, 1)


def test_giving_up_is_final_and_an_image_taken_down_takes_its_samples_with_it(store):
    _, image, query, grade = chain(store)
    store.decide([Decision(image, False, "taken down")])
    assert [store.kept(key) for key in (image, query, grade)] == [False] * 3
    assert store.counts()[CELL].have == 0
    with pytest.raises(BuildError, match="was given up, which is final"):
        keep(store, image)


def test_a_call_is_counted_once_and_one_without_a_price_is_named(store):
    for cost in (0.5, 0.5):
        store.add_call("k1", "concepts", "openai/x", cost)
    store.add_call("k2", "queries", "openai/x", None)
    assert store.calls() == (2, 0.5, 1)


def test_a_prompt_is_kept_by_its_hash(store):
    assert store.add_prompt("concepts", PROMPT) == prompt_hash(PROMPT)
    assert store.prompts() == {prompt_hash(PROMPT): ("concepts", PROMPT)}


OTHER = Cell(Pattern.parse("S-B-B"), "C9", "de")


@pytest.mark.parametrize(
    ("stage", "upto", "cell", "without", "said"),
    [
        ("images", None, CELL, None, "images: a record needs a parent of stage concepts"),
        ("concepts", "concepts", CELL, None, "concepts: a record needs no parent"),
        ("queries", "concepts", CELL, None, "queries: made out of concepts, not images"),
        ("concepts", None, CELL, "model", "provenance of a record lacks 'model'"),
        ("images", "concepts", CELL, "licence", "provenance of a record lacks 'licence'"),
        ("images", "concepts", Cell(CELL.pattern, "C1", "en"), None, "cannot be made out of one"),
        ("images", "concepts", Cell(Pattern.parse("U-S-U"), "C9", "en"), None, "cannot be made"),
        ("grades", "queries", OTHER, None, "for S-B-B C9 de cannot be made out of one for S-S-U"),
        ("other", None, CELL, None, "stage 'other' is none of concepts, images, queries, grades"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(store, stage, upto, cell, without, said):
    parent = chain(store, upto)[-1] if upto else None
    prompt = store.add_prompt("concepts", PROMPT)
    made = record("concepts" if stage == "other" else stage, prompt, parent, cell)
    provenance = {k: v for k, v in made.provenance.items() if k != without}
    with pytest.raises(BuildError, match=said):
        store.add(
            [Record(stage=stage, cell=cell, content={}, provenance=provenance, parent=parent)]
        )


def test_an_image_may_serve_another_pattern_with_the_same_image(store):
    image = chain(store, "images")[-1]
    prompt = store.add_prompt("concepts", PROMPT)
    assert store.add([record("queries", prompt, image, OTHER)])


def test_nothing_is_made_out_of_what_is_not_kept(store):
    prompt = store.add_prompt("concepts", PROMPT)
    (concept,) = store.add([record("concepts", prompt)])
    for state in (None, False):
        if state is False:
            store.decide([Decision(concept, False, "rails")])
        with pytest.raises(BuildError, match="which is not kept"):
            store.add([record("images", prompt, concept)])


def test_a_prompt_must_be_kept_before_a_record_names_it(store):
    with pytest.raises(BuildError, match="is not kept; add it"):
        store.add([record("concepts", "ab" * 32)])


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (Decision("ab", True), "no record has the key ab"),
        (Decision("ab", False, " "), "given up without a reason"),
    ],
)
def test_a_decision_on_nothing_or_without_a_reason_is_refused(store, decision, said):
    with pytest.raises(BuildError, match=said):
        store.decide([decision])


def test_one_that_does_not_fit_leaves_none_of_its_batch(store):
    prompt = store.add_prompt("concepts", PROMPT)
    with pytest.raises(BuildError):
        store.add([record("concepts", prompt), record("concepts", "ab" * 32)])
    assert store.counts() == {}


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE records (key TEXT)",
        "CREATE TABLE more (key TEXT)",
        "CREATE VIEW records AS SELECT 1",
        "CREATE TABLE t (a); CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_of_another_kind_is_refused(tmp_path, script, read_only):
    connection = sqlite3.connect(tmp_path / "build.sqlite")
    connection.executescript(script)
    connection.close()
    with pytest.raises(VlsuError, match=r"build\.sqlite"):
        Store(tmp_path / "build.sqlite", read_only=read_only)


class Stages(RuleBasedStateMachine):
    """Whatever the stages do, in whatever order: the counts are those of a plain model."""

    @initialize()
    def open(self):
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store(Path(self.folder.name) / "build.sqlite")
        self.prompt = self.store.add_prompt("concepts", PROMPT)
        self.stage, self.state, self.parent = {}, {}, {}

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()

    @rule(number=st.integers(0, 9), data=st.data())
    def add(self, number, data):
        """A concept, or what is made out of any kept record."""
        kept = [k for k, s in self.state.items() if s is True and self.stage[k] != STAGES[-1]]
        parent = data.draw(st.sampled_from([None, *kept]))
        stage = STAGES[0] if parent is None else STAGES[STAGES.index(self.stage[parent]) + 1]
        (key,) = self.store.add([record(stage, self.prompt, parent, number=number)])
        self.stage[key], self.parent[key] = stage, parent
        self.state.setdefault(key, None)

    @rule(data=st.data(), kept=st.booleans())
    def decide(self, data, kept):
        if not self.state:
            return
        key = data.draw(st.sampled_from(list(self.state)))
        if kept and self.state[key] is False:
            with pytest.raises(BuildError):
                keep(self.store, key)
            return
        self.store.decide([Decision(key, kept, "" if kept else "no use")])
        self.state[key] = kept
        while not kept and (below := [k for k, p in self.parent.items() if self._falls(k, p)]):
            self.state.update(dict.fromkeys(below, False))

    def _falls(self, key, parent):
        return parent is not None and self.state[parent] is False and self.state[key] is not False

    @invariant()
    def counts_agree(self):
        if not getattr(self, "state", None):
            return
        count = self.store.counts()[CELL]
        lost = Counter(self.stage[k] for k, s in self.state.items() if s is False)
        assert count.lost == lost
        assert sum(count.reasons.values()) == sum(lost.values())
        assert count.open == sum(s is None for s in self.state.values())
        last = [k for k, stage in self.stage.items() if stage == STAGES[-1]]
        assert count.have == sum(self.state[k] is True for k in last)
        for key, state in self.state.items():
            assert self.store.kept(key) is state
            parent = self.parent[key]
            if state is True and parent is not None:
                assert self.state[parent] is True


TestStages = Stages.TestCase
TestStages.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
