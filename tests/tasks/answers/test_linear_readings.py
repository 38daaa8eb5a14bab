"""Every reader of what a model wrote needs time in proportion to its length, whatever it wrote.

Lengths are doubled from small to 64 KB, so that a reading whose time explodes is caught before it
hangs: at each step the time may triple and grow by `SLACK` besides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlsu.models import Outcome, Response
from vlsu.models.guards import FAMILIES, GuardFamily
from vlsu.models.judging import OfflineJudge
from vlsu.models.output import MAX_CHARACTERS, json_objects, reply_text
from vlsu.policy import default_policy
from vlsu.tasks import GuardTask, looks_like_refusal, read_answer, read_verdict
from vlsu.tasks.judging.rubric import read_score
from vlsu.tasks.proposals import read_proposals

pytestmark = pytest.mark.slow

POLICY = default_policy()
JUDGE = OfflineJudge()
#: Seconds of processor time that a doubling may cost besides tripling; a machine may be busy.
SLACK = 0.1


def said(text: str) -> Response:
    return Response(Outcome.OK, text=text)


def reader_of_guard(family: GuardFamily) -> Callable[[str], object]:
    task = GuardTask(family)
    return lambda text: task.read(said(text))


READERS: Mapping[str, Callable[[str], object]] = {
    "answer": lambda text: read_answer(said(text), POLICY),
    "verdict": lambda text: read_verdict(said(text)),
    "score": read_score,
    "proposals": lambda text: read_proposals(said(text), 3, ()),
    "reply": reply_text,
    "refusal": looks_like_refusal,
    "objects": json_objects,
    "offline": lambda text: JUDGE.judge([text], [text + "."]),
    **{family.name: reader_of_guard(family) for family in FAMILIES},
}

#: What stands before, what is repeated, what stands after. The first five hung or took minutes.
HOSTILE = [
    ('{"severity": "safe"} ', "and/or ", '{"severity": "unsafe"} so'),
    ("", "<think>", ""),
    ("```json\n", "\n \n", "x"),
    ("", '{"a":"b","c":[', ""),
    ("Safety", " ", "x"),
    ("", "{", ""),
    ('{"a":[' * 400, "{},", ""),
    ('{"x":' * 450, '{"severity":"safe"},', ""),
    ('{"a', '"', ""),
    ("", "{'a':", ""),
    ("{a:1,", "/*", ""),
    ('{"', "\\", ""),
    ('{"a":', "9", "}"),
    ("unsafe", "<|eot_id|> ", ""),
    ("<think>", "</think>", "unsafe"),
    ("", "<|channel|>final<|message|>", ""),
    ("", "{}<think> ", ""),
    ("the ", "severity of the image and text ", ": unsafe"),
    ("", "| severity | unsafe |\n", ""),
    ("", "severity\n", "unsafe"),
    ("", "the answer is unsafe (c9), ", ""),
    ("unsafe", " \n", "S"),
    ("sorry, ", "i can't ", ""),
    ("unsafe ", "S9 ", "x"),
    ("a", "\u0315\u0300\u0323", ""),
    ("", "\u0f73", ""),
    ("", "\ufdfa", ""),
    ("", "“a", ""),
]


def grows_in_proportion(
    reader: Callable[[str], object], before: str, unit: str, after: str, longest: int
) -> None:
    """Read texts with more and more repetitions, from some on each time twice as many."""
    last = None
    doubled = [(longest // len(unit)) >> halvings for halvings in range(8, -1, -1)]
    for repetitions in [*range(10, 60, 5), *(n for n in doubled if n >= 60)]:
        text = before + unit * repetitions + after
        now = time_of(reader, text)
        if last is not None:
            if now > 3 * last + SLACK:  # a busy machine, or its memory being tidied up?
                now = min(time_of(reader, text) for _ in range(3))
            assert now <= 3 * last + SLACK, f"{repetitions} times {unit!r}: {last} to {now} s"
        last = now


def time_of(reader: Callable[[str], object], text: str) -> float:
    started = time.process_time()
    reader(text)
    return time.process_time() - started


@pytest.mark.parametrize("name", READERS)
def test_known_traps_are_read_in_proportion_to_their_length(name: str) -> None:
    for before, unit, after in HOSTILE:
        grows_in_proportion(READERS[name], before, unit, after, MAX_CHARACTERS)


@pytest.mark.parametrize("name", ["answer", "verdict", "offline", "llama-guard"])
def test_what_is_longer_is_not_read_for_longer(name: str) -> None:
    for before, unit, after in HOSTILE:
        text = before + unit * (MAX_CHARACTERS // len(unit)) + after
        once = time_of(READERS[name], text)
        longer = time_of(READERS[name], text * 8)
        if longer > 10 * once + SLACK:  # a busy machine?
            longer = time_of(READERS[name], text * 8)
        assert longer <= 10 * once + SLACK


fragments = st.one_of(
    st.sampled_from(list("\"'{}[]:,\\<|>\n -(.1é#“`\u0301\u2028")),
    st.sampled_from(
        ["<think>", "</think>", "[THINK]", "◁think▷", "<answer>", "<score>", "```", "/*"]
    ),
    st.sampled_from(
        ["{'a':", '{"severity": "', "safe", "unsafe", "severity", "or", "the", "is", "of"]
    ),
    st.sampled_from(
        ["C9", "S9", "sorry", "i can't", "yes", "\\boxed{", "analysis", "assistantfinal"]
    ),
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(READERS)),
    st.lists(fragments, max_size=3).map("".join),
    st.lists(fragments, min_size=1, max_size=5).map("".join),
    st.lists(fragments, max_size=3).map("".join),
)
def test_any_repetition_is_read_in_proportion_to_its_length(
    name: str, before: str, unit: str, after: str
) -> None:
    grows_in_proportion(READERS[name], before, unit, after, longest=16_384)
