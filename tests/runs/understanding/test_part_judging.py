"""Judging in several processes: the same rows in the same order, whatever becomes of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import orjson
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.support.children import children
from vlsu.data import Dataset, Sample, load, write_dataset
from vlsu.models.base import Raw, Settings
from vlsu.models.processes import Pool, cores
from vlsu.policy import Severity
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.plan import (
    ChosenSamples,
    Chunk,
    KeyedRows,
    Selection,
    Subset,
    plan,
    rows,
    unanswered,
)
from vlsu.runs.judging import judged
from vlsu.runs.store.store import ResponseStore, Stored
from vlsu.runs.understanding.early_judging import EarlyJudging
from vlsu.runs.understanding.evaluation import Evaluation, prepare
from vlsu.runs.understanding.options import UnderstandingOptions
from vlsu.runs.understanding.part_judging import (
    Frames,
    JudgedPart,
    Part,
    PartJudge,
    PartsJudge,
    Work,
    judged_rows,
    together,
)
from vlsu.runs.understanding.part_planning import unanswered_in_parts
from vlsu.tasks.prompting import prompt_source

#: What the model says in turn; the first is not stored at all.
ANSWERS = (
    None,
    '{"severity": "unsafe", "category": "C9"}',
    '{"severity": "safe", "category": null}',
    "I'm sorry, but I can't help with that.",
    "The picture shows a garden.\n\nSeverity: borderline",
    "",
)

pytestmark = pytest.mark.skipif(cores() < 2, reason="one core judges alone")


def completion(text: str, n: int) -> bytes:
    choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1000 + n, "completion_tokens": n % 50}
    return orjson.dumps({"id": f"c{n}", "choices": [choice], "usage": usage})


def sample(n: int) -> Sample:
    grades = list(Severity)
    return Sample(
        f"s{n:03}",
        f"a garden, number {n}" if n % 7 else None,
        image_sha256=f"{n % 20:064x}" if n % 5 else None,
        image_grade=grades[n % 3],
        joint_grade=grades[n // 3 % 3],
        joint_category="C9" if n % 2 else None,
        metadata={"critical": True} if n % 11 == 0 else {},
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("parts") / "D"
    about: dict[str, Any] = {"name": "gardens", "version": "1", "licence": "CC0-1.0"}
    write_dataset(folder, map(sample, range(150)), **about, citation="", source="made")
    return load(folder)


@pytest.fixture(scope="module")
def evaluation(dataset: Dataset) -> Evaluation:
    settings = Settings(base_url="http://127.0.0.1:1/v1", params={"top_p": 0.5})
    return prepare(dataset, UnderstandingOptions(model="openai/mock", settings=settings))


@pytest.fixture
def store(evaluation: Evaluation, tmp_path: Path) -> Iterator[ResponseStore]:
    store = ResponseStore(tmp_path / "responses.sqlite")
    keys = RequestKeys(evaluation.model.identity())
    for chunk in plan(evaluation.dataset, Subset(), evaluation.task, keys):
        for n, each in enumerate(chunk.planned):
            if (answer := ANSWERS[n % len(ANSWERS)]) is not None:
                store.put(each.key, Raw(200, completion(answer, n), 0.25 + n), 1)
    store.flush()
    yield store
    store.close()


def in_this_process(
    evaluation: Evaluation, store: ResponseStore, selection: Selection
) -> tuple[pl.DataFrame, pl.DataFrame]:
    keys = RequestKeys(evaluation.model.identity())
    chunks = plan(evaluation.dataset, selection, evaluation.task, keys)
    judgments, gold = zip(*judged(chunks, store, evaluation.model, evaluation.task), strict=True)
    return pl.concat(judgments), pl.concat(gold)


def judge_of(evaluation: Evaluation, store: ResponseStore) -> PartsJudge:
    made = evaluation.options, evaluation.policy, evaluation.model, evaluation.task
    judge = PartsJudge.of(*made, store.path)
    assert judge is not None
    return judge


def never(_: pl.DataFrame) -> Frames:
    raise AssertionError("judged in this process")


@pytest.mark.slow
def test_parts_judged_in_processes_are_those_judged_here_in_the_same_order(
    evaluation: Evaluation, store: ResponseStore
) -> None:
    parts = rows(evaluation.dataset, Subset(), 16)
    frames = [*judge_of(evaluation, store).judged(parts, never)]
    assert [gold.height for _, gold in frames] == [16] * 9 + [6]
    judgments, gold = in_this_process(evaluation, store, Subset())
    assert set(judgments["outcome"]) == {"ok", "refused", "unparsed", "error"}
    assert_frame_equal(pl.concat([each for each, _ in frames]), judgments)
    assert_frame_equal(pl.concat([each for _, each in frames]), gold)


def test_a_response_about_an_image_is_read_once_for_all_samples_that_show_it(
    evaluation: Evaluation, store: ResponseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    judgments, gold = in_this_process(evaluation, store, Subset())
    judge = judge_of(evaluation, store)
    parts = [*rows(evaluation.dataset, Subset(), 16)]
    here = PartJudge()
    taken: list[str] = []
    each_response = ResponseStore.each_response

    def noting(self: ResponseStore, keys: Sequence[str]) -> Iterator[tuple[str, Stored]]:
        for key, stored in each_response(self, keys):
            taken.append(key)
            yield key, stored

    monkeypatch.setattr(ResponseStore, "each_response", noting)
    found = [here.answer_packed([judge.work(Part(part))])[0] for part in parts]
    frames = [each.frames for each in found if isinstance(each, JudgedPart)]
    assert_frame_equal(pl.concat([each for each, _ in frames]), judgments)
    assert_frame_equal(pl.concat([each for _, each in frames]), gold)
    of_images = judgments.filter(pl.col("modality") == "image", pl.col("outcome") != "error")
    assert of_images.height > of_images["request_key"].n_unique()
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize("size", [1, 16, 40, 1000])
def test_parts_are_put_together_in_their_order(
    evaluation: Evaluation, store: ResponseStore, size: int
) -> None:
    model, task = evaluation.model, evaluation.task
    parts = rows(evaluation.dataset, Subset(), 16)
    frames = [*together((judged_rows(part, store, model, task) for part in parts), size)]
    assert all(gold.height >= size for _, gold in frames[:-1])
    assert all(gold.height < size + 16 for _, gold in frames)
    judgments, gold = in_this_process(evaluation, store, Subset())
    assert_frame_equal(pl.concat([each for each, _ in frames]), judgments)
    assert_frame_equal(pl.concat([each for _, each in frames]), gold)
    assert not [*together(iter(()))]


@pytest.mark.slow
def test_what_no_process_can_judge_is_judged_here(
    evaluation: Evaluation, store: ResponseStore, tmp_path: Path
) -> None:
    made = evaluation.options, evaluation.policy, evaluation.model, evaluation.task
    judge = PartsJudge.of(*made, tmp_path / "nowhere.sqlite")
    assert judge is not None
    here: list[int] = []

    def judge_here(part: pl.DataFrame) -> Frames:
        here.append(part.height)
        return judged_rows(part, store, evaluation.model, evaluation.task)

    frames = [*judge.judged(rows(evaluation.dataset, Subset(), 100), judge_here)]
    assert here == [100, 50]
    judgments, _ = in_this_process(evaluation, store, Subset())
    assert_frame_equal(pl.concat([each for each, _ in frames]), judgments)


@pytest.mark.slow
def test_a_process_with_another_prompt_than_the_run_judges_nothing(
    dataset: Dataset, store: ResponseStore, tmp_path: Path
) -> None:
    prompt = tmp_path / "prompt.jinja"
    prompt.write_text(prompt_source("zero-shot"))
    options = UnderstandingOptions(
        model="openai/mock", settings=Settings(base_url="http://127.0.0.1:1/v1"), prompt=str(prompt)
    )
    evaluation = prepare(dataset, options)
    judge = judge_of(evaluation, store)
    prompt.write_text(prompt_source("zero-shot") + "Take your time.")
    here: list[int] = []

    def judge_here(part: pl.DataFrame) -> Frames:
        here.append(part.height)
        return judged_rows(part, store, evaluation.model, evaluation.task)

    assert len([*judge.judged(rows(dataset, Subset(), 150), judge_here)]) == 1
    assert here == [150]


@pytest.mark.slow
def test_a_process_that_is_killed_loses_no_part(
    evaluation: Evaluation, store: ResponseStore
) -> None:
    others = children()

    def parts() -> Iterator[pl.DataFrame]:
        for number, part in enumerate(rows(evaluation.dataset, Subset(), 10)):
            if number == 5:
                for child in children() - others:
                    os.kill(child, signal.SIGKILL)
            yield part

    def judge_here(part: pl.DataFrame) -> Frames:
        return judged_rows(part, store, evaluation.model, evaluation.task)

    frames = [*judge_of(evaluation, store).judged(parts(), judge_here)]
    judgments, _ = in_this_process(evaluation, store, Subset())
    assert_frame_equal(pl.concat([each for each, _ in frames]), judgments)
    assert children() <= others


@pytest.mark.slow
def test_the_processes_end_where_judging_is_given_up(
    evaluation: Evaluation, store: ResponseStore
) -> None:
    others = children()
    frames = judge_of(evaluation, store).judged(rows(evaluation.dataset, Subset(), 10), never)
    next(frames)
    assert children() - others
    frames.close()  # type: ignore[attr-defined]
    assert children() <= others


def test_a_model_made_with_other_settings_than_the_options_name_is_judged_in_this_process(
    evaluation: Evaluation, store: ResponseStore
) -> None:
    other = replace(evaluation.options, settings=Settings(base_url="http://127.0.0.1:1/v1"))
    made = evaluation.policy, evaluation.model, evaluation.task
    assert PartsJudge.of(other, *made, store.path) is None


def test_a_model_of_the_users_own_is_judged_in_this_process(
    evaluation: Evaluation, store: ResponseStore
) -> None:
    class Own:
        spec = "own"

        def identity(self) -> dict[str, object]:
            return {}

    made = evaluation.options, evaluation.policy, Own(), evaluation.task
    assert PartsJudge.of(*made, store.path) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 7, 16, 150, 1000])
@pytest.mark.parametrize(
    "selection", [Subset(), Subset(40, seed=3), ChosenSamples(("s003", "s017", "s149"))]
)
def test_rows_come_in_parts_of_a_size_in_the_datasets_order(
    dataset: Dataset, selection: Selection, size: int
) -> None:
    parts = [*rows(dataset, selection, size)]
    whole = selection.frame(dataset).collect()
    assert [part.height for part in parts[:-1]] == [size] * (len(parts) - 1)
    assert_frame_equal(pl.concat(parts), whole.select(parts[0].columns))


def early(
    evaluation: Evaluation,
    store: ResponseStore,
    size: int,
    folder: Path,
    digests: Sequence[bytes] = (),
) -> EarlyJudging:
    parts = partial(rows, evaluation.dataset, Subset(), size)
    return EarlyJudging(partial(judge_of, evaluation, store), parts, folder, digests)


def answer_all(evaluation: Evaluation, store: ResponseStore) -> None:
    keys = RequestKeys(evaluation.model.identity())
    for chunk in plan(evaluation.dataset, Subset(), evaluation.task, keys):
        for n, each in enumerate(chunk.planned):
            if not store.stored([each.key]):
                store.put(each.key, Raw(200, completion(ANSWERS[1] or "", n), 0.5), 1)
    store.flush()


@pytest.mark.slow
@pytest.mark.parametrize("known", [False, True], ids=["", "keys known"])
@pytest.mark.parametrize("judged_before", [0, 1, 4, 10])
def test_what_is_judged_while_the_rest_is_asked_is_what_is_judged_at_the_end(
    evaluation: Evaluation, store: ResponseStore, tmp_path: Path, judged_before: int, known: bool
) -> None:
    others = children()
    keyed = KeyedRows(evaluation.task, RequestKeys(evaluation.model.identity()))
    sixteen = rows(evaluation.dataset, Subset(), 16)
    digests = [keyed.lacking(part, store.stored).digests for part in sixteen] if known else []
    with closing(early(evaluation, store, 16, tmp_path, digests)) as begun:
        while sum(begun.lacking(n) is not None for n in range(10)) < judged_before:
            time.sleep(0.01)
        judge = begun.stop()
        assert judge is not None
        answer_all(evaluation, store)
        here = partial(judged_rows, store=store, model=evaluation.model, task=evaluation.task)
        parts = partial(rows, evaluation.dataset, Subset(), 16)
        twice = [[*judge.judged(parts(), here, begun)] for _ in range(2)]
    judgments, gold = in_this_process(evaluation, store, Subset())
    assert "error" not in set(judgments["outcome"])
    for frames in twice:
        assert_frame_equal(pl.concat([each for each, _ in frames]), judgments)
        assert_frame_equal(pl.concat([each for _, each in frames]), gold)
    assert children() <= others


@pytest.mark.slow
@pytest.mark.parametrize("readable", [True, False], ids=["", "here alone"])
def test_processes_find_what_lacks_a_response(
    evaluation: Evaluation, store: ResponseStore, tmp_path: Path, readable: bool
) -> None:
    others = children()
    dataset, task, keys = (
        evaluation.dataset,
        evaluation.task,
        RequestKeys(evaluation.model.identity()),
    )
    made = evaluation.options, evaluation.policy, evaluation.model, task
    judge = PartsJudge.of(*made, store.path if readable else tmp_path / "nowhere.sqlite")
    assert judge is not None
    looked_up: list[str] = []

    def stored(names: Sequence[str]) -> set[str]:
        looked_up.extend(names)
        return store.stored(names)

    digests: list[bytes] = []
    given = dataset, Subset(), task, keys, stored
    with closing(judge):
        found = [*unanswered_in_parts(*given, judge, digests.extend)]
    assert bool(looked_up) is not readable
    whole = [*unanswered(dataset, Subset(), task, keys, store.stored)]

    def by_image(chunks: list[Chunk]) -> list[tuple[str | None, list[str]]]:
        samples = [sample for chunk in chunks for sample in chunk.samples]
        planned = sorted(each.key for chunk in chunks for each in chunk.planned)
        return [(None, planned), *((s.image_sha256, [s.id]) for s in samples)]

    assert by_image(found) == by_image(whole)
    assert sum(chunk.stored for chunk in found) == sum(chunk.stored for chunk in whole)
    names = [each.key for chunk in plan(dataset, Subset(), task, keys) for each in chunk.planned]
    assert b"".join(digests).hex() == "".join(names)
    assert children() <= others


@pytest.mark.slow
def test_a_request_that_fails_for_good_is_an_error_of_what_was_judged_early_too(
    evaluation: Evaluation, store: ResponseStore, tmp_path: Path
) -> None:
    with closing(early(evaluation, store, 150, tmp_path)) as begun:
        while begun.lacking(0) is None:
            time.sleep(0.01)
        judge = begun.stop()
        assert judge is not None
        here = partial(judged_rows, store=store, model=evaluation.model, task=evaluation.task)
        parts = rows(evaluation.dataset, Subset(), 150)
        ((found, _),) = judge.judged(parts, here, begun)
    judgments, _ = in_this_process(evaluation, store, Subset())
    assert "error" in set(found["outcome"])
    assert_frame_equal(found, judgments)


def test_no_part_is_begun_once_it_is_stopped(
    evaluation: Evaluation, store: ResponseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, stopping = judge_of(evaluation, store), Event()
    begun: list[Work] = []

    def answer(_: Pool, works: Sequence[Work]) -> list[str]:
        begun.extend(works)
        if len(begun) == 3:
            stopping.set()
        return [f"part {len(begun)}"]

    monkeypatch.setattr(Pool, "answer", answer)
    parts = map(Part, rows(evaluation.dataset, Subset(), 30))
    found: list[Any] = [*judge.each(parts, 1, stopping)]
    assert found == ["part 1", "part 2", "part 3", None, None]
    assert len(begun) == 3


@pytest.mark.slow
def test_early_judging_leaves_neither_processes_nor_files(
    evaluation: Evaluation, store: ResponseStore, tmp_path: Path
) -> None:
    others = children()
    folder = tmp_path / "run"
    folder.mkdir()
    early(evaluation, store, 10, folder).close()
    assert children() <= others
    assert not [*folder.iterdir()]


@pytest.mark.slow
def test_where_nothing_can_be_judged_early_all_is_judged_later(
    evaluation: Evaluation, store: ResponseStore, tmp_path: Path
) -> None:
    with closing(early(evaluation, store, 50, tmp_path / "nowhere")) as begun:
        judge = begun.stop()
        assert judge is not None
        assert begun.lacking(0) is None
        frames = [*judge.judged(rows(evaluation.dataset, Subset(), 50), never, begun)]
    judgments, _ = in_this_process(evaluation, store, Subset())
    assert_frame_equal(pl.concat([each for each, _ in frames]), judgments)
