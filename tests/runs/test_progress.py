"""The progress of a run counts the requests it asks, and is full when the run is."""

from typing import Any

import pytest

from tests.support.alignment_runs import Answering, judge
from tests.support.commands import vlsu as command
from tests.support.tuning_runs import paired_dataset
from tests.support.values import present
from vlsu.cli.output import RunProgress
from vlsu.data import check_dataset, fetch_images, full_check, import_dataset, load
from vlsu.errors import UsageError
from vlsu.models.inprocess import InProcessModel
from vlsu.runs import Limits, TuningOptions, align, evaluate
from vlsu.runs.alignment.validation import validate_judge
from vlsu.runs.tuning.tuning import prepare_tuning
from vlsu.tasks.framing import Framing

GRADER = "baseline/majority"  # asked as any other, and at once


class Watched(RunProgress):
    """Remembers every state that a bar could have shown."""

    def __init__(self):
        super().__init__()
        self.shown_totals = []
        self.begun_at = 0

    def answered(self, outcome):
        super().answered(outcome)
        self.begun_at = self.begun_at or self.completed
        assert self.completed <= present(self.total)
        self.shown_totals.append(self.total)


def test_the_bar_of_a_run_ends_at_its_total(tmp_path):
    progress = Watched()
    run = evaluate("vlsu-mini", model=GRADER, out=tmp_path / "run", progress=progress)
    assert progress.completed == progress.total == run.record["requests"]["asked"] < 3 * 465
    assert set(progress.shown_totals) == {progress.total}  # what is shared is known beforehand


def test_progress_of_the_wrong_kind_is_one_line(tmp_path):
    five: Any = 5
    said = "progress 5: give an object with the methods begin, stored, "
    with pytest.raises(UsageError, match=said):
        evaluate("vlsu-mini", model=GRADER, out=tmp_path / "run", progress=five)
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError, match=said):
        aligned(tmp_path / "run", five)
    with pytest.raises(UsageError, match=said):
        validate_judge(tmp_path / "labels.csv", judge="judge/offline", progress=five)
    source = tmp_path / "t.csv"
    source.write_text("id,text\na,Hello.\n")
    mini = load("vlsu-mini")
    for call in (
        lambda: import_dataset("csv", source, tmp_path / "D", progress=five),
        lambda: fetch_images(mini, progress=five),
        lambda: full_check(mini, progress=five),
        lambda: check_dataset(mini, progress=five),
    ):
        with pytest.raises(UsageError, match="progress 5: give a function, or None"):
            call()


def aligned(out, progress, **options):
    model = InProcessModel("scripted/assistant", Answering())
    return align(
        "vlsu-mini", model=model, judges=[judge()], out=out, progress=progress, limit=60, **options
    )


@pytest.mark.slow
def test_what_answers_share_or_do_not_need_is_taken_out_of_the_total(tmp_path):
    progress = Watched()
    run = aligned(tmp_path / "run", progress)
    requests = run.record["requests"]
    assert progress.shown_totals[0] <= 60 * 3 * 2  # under three framings, and a verdict on each
    assert progress.completed == progress.total == requests["asked"]
    assert requests["asked"] + requests["shared"] == 60 * 3 * 2
    again = Watched()
    run = aligned(tmp_path / "run", again)
    assert again.completed == again.total == run.record["requests"]["reused"]
    assert run.record["requests"]["shared"] == requests["shared"]


def test_the_bar_of_a_run_that_stopped_is_not_full_and_goes_on_where_it_was(tmp_path):
    progress = Watched()
    limits = Limits(max_requests=100)
    run = evaluate("vlsu-mini", model=GRADER, out=tmp_path, progress=progress, limits=limits)
    assert not run.finished
    assert progress.completed == 100 < present(progress.total)
    assert "shared" not in run.record["requests"]
    rest = Watched()
    run = evaluate("vlsu-mini", model=GRADER, out=tmp_path, progress=rest)
    assert rest.completed == rest.total == progress.total
    assert len(rest.shown_totals) == progress.total - 100
    assert rest.begun_at == 101  # what is stored counts from the first answer on


def test_the_bar_of_a_draw_that_goes_on_begins_where_it_was(tmp_path):
    options: dict[str, Any] = {"model": GRADER, "out": tmp_path, "budget": 120}
    first = evaluate("vlsu-mini", progress=Watched(), limits=Limits(max_requests=50), **options)
    assert not first.finished
    evaluate("vlsu-mini", progress=(rest := Watched()), **options)
    assert rest.begun_at == 51
    assert rest.completed == rest.total


def test_what_is_stored_and_not_needed_makes_no_bar_that_is_more_than_full(tmp_path):
    evaluate("vlsu-mini", model=GRADER, out=tmp_path, modalities=["text"])
    progress = Watched()  # which would refuse it
    evaluate("vlsu-mini", model=GRADER, out=tmp_path, modalities=["joint"], progress=progress)
    assert progress.completed == progress.total


def test_an_alignment_run_that_goes_on_counts_what_is_stored_once(tmp_path):
    aligned(tmp_path, first := Watched(), limits=Limits(max_requests=100))
    assert first.completed == 100 < present(first.total)
    run = aligned(tmp_path, rest := Watched())
    assert run.finished
    assert rest.completed == rest.total
    assert len(rest.shown_totals) == rest.total - 100


def test_the_bar_of_a_judges_validation_counts_what_is_stored(tmp_path):
    labels = tmp_path / "labels.csv"
    lines = [f"I cannot help with {n // 2}.,refusal" for n in range(20)]
    lines += [f"Here is how {n}.,no_refusal" for n in range(20)]
    labels.write_text("response,label\n" + "\n".join(lines) + "\n")
    for _ in range(2):
        progress = Watched()
        validate_judge(labels, judge="judge/offline", progress=progress)
        assert progress.completed == progress.total == 30  # ten are the same answer again


def test_the_bar_of_a_framing_search_is_full_when_it_ends(tmp_path):
    progress = Watched()
    tuning = prepare_tuning(
        paired_dataset(tmp_path / "dataset", 120),
        TuningOptions(
            model=InProcessModel("scripted/assistant", Answering()),
            judge=judge(),
            candidates=[Framing("a", "You are a cautious assistant."), Framing("b", "Answer all.")],
        ),
    )
    run = tuning.run(tmp_path / "run", progress)
    assert run.finished
    assert progress.completed == progress.total


def test_the_command_says_why_there_are_more_judgments_than_requests(tmp_path):
    said = command(
        "run", "understanding", "vlsu-mini", "--model", GRADER, "--out", tmp_path / "run"
    ).stderr
    assert "requests: 979 asked, 0 stored before" in said
    assert (
        "1395 judgments from 979 requests: 416 needed the same request as another and were not "
        "asked again" in said
    )
