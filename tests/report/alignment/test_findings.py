"""What a report of one alignment run says of its framings."""

from __future__ import annotations

from tests.analysis.alignment.test_metrics import metrics
from vlsu.analysis.results import Metrics
from vlsu.report.alignment.findings import findings

FIRST = "R" * 20 + "C" * 20


def sentences(**framings: str) -> list[str]:
    return [each.text for each in findings(Metrics(metrics(framings)))]


def changes(said: list[str]) -> list[str]:
    return [text for text in said if text.startswith("From ")]


def test_a_change_that_holds_alone_but_not_at_once_is_not_told() -> None:
    # Seven of forty answers change: an interval by itself excludes 0, one of nine does not.
    second = "C" * 7 + "R" * 13 + "C" * 20
    found = metrics({"a": FIRST, "b": second, "c": FIRST})["differences"]["a -> b"]["over_blocking"]
    assert found["high"] < 0 < found["simultaneous"]["high"]
    assert changes(sentences(a=FIRST, b=second, c=FIRST)) == []


def test_a_change_that_holds_at_once_is_told_with_its_interval() -> None:
    second = "C" * 40
    said = changes(sentences(a=FIRST, b=second, c=FIRST))
    assert said[0].startswith("From a to b: over-blocking by -50 points [-")
    assert said[0].endswith("(intervals that hold at once).")
    assert [text.split(":")[0] for text in said] == ["From a to b", "From b to c"]


def test_a_change_that_missing_verdicts_could_undo_is_not_told() -> None:
    # Of the second framing the verdict on every refusal failed but two.
    second = "RR" + "j" * 18 + "C" * 20
    said = sentences(a=FIRST, b=second)
    assert changes(said) == []
    # Two of forty at least and twenty at most, with the error of sampling.
    (whatever,) = [text for text in said if text.startswith("Whatever the missing verdicts under")]
    assert whatever.startswith(
        "Whatever the missing verdicts under b are: over-blocking in [1%, 65%]"
    )
