"""Whatever is stopped in whatever order, the pre-grader comes to the same records."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.build.grading.made import SSU, add_image, add_queries, answering, build_of, images
from tests.conftest import chat_servers
from vlsu.build.folder.demand import demand
from vlsu.build.grading.stage import Grader, grade_queries
from vlsu.models import open_model
from vlsu.models.base import Settings
from vlsu.runs.asking.limits import Limits

pytestmark = pytest.mark.slow

#: The rounds of queries of one image after the other: what each candidate is graded as.
MARKS = st.sampled_from(["S-S-U", "S-S-B", "S-B-U", "refuse"])
ROUNDS = st.lists(st.lists(MARKS, min_size=1, max_size=3), min_size=1, max_size=3)


def graded(folder: Path, server, rounds, bounds) -> tuple[list[Any], int]:
    """All rounds, each started again and again, the starts bounded as given until they are used."""
    build = build_of(folder, "S-S-U/C9=20", seed=3)
    left = list(bounds)
    with build.store() as store:
        place = add_image(build, store, images(1)[0])
    for number, marks in enumerate(rounds):
        with build.store() as store:
            add_queries(store, place, *(f"{number} {n} [{mark}]" for n, mark in enumerate(marks)))
        while True:
            most = left.pop() if left else None
            limits = Limits(concurrency=1, max_requests=most)
            settings = Settings(base_url=server.base_url)
            grader = Grader(
                model=open_model("openai/x", settings),
                settings=settings,
                limits=limits,
                unfiltered=0.5,
            )
            if grade_queries(build, grader).stopped is None:
                break
    with build.store() as store:
        decisions = [
            (store.record(str(store.record(key).parent)).content["text"], each)
            for key, each in store.decisions("grades").items()
        ]
        found = [(text, each.kept, each.reason, dict(each.about)) for text, each in decisions]
        assert store.tries("grades", open_only=True) == []
        assert demand(build, store).cells.get(SSU, 0) + store.counts()[SSU].have == 20
        return found, store.calls().number


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ROUNDS, st.lists(st.integers(1, 4), max_size=4))
def test_any_history_of_stops_comes_to_the_same(rounds, bounds):
    with tempfile.TemporaryDirectory() as folder, chat_servers() as start:
        server = start(answering)
        whole, calls = graded(Path(folder) / "whole", server, rounds, [])
        asked = Counter(json.dumps(each, sort_keys=True) for each in server.requests)
        assert max(asked.values()) == 1
        assert calls == len(asked) == 1 + 2 * sum(map(len, rounds))
        server.requests.clear()
        assert graded(Path(folder) / "stopped", server, rounds, bounds) == (whole, calls)
        assert Counter(json.dumps(each, sort_keys=True) for each in server.requests) == asked
        kept = [text.split()[0] for text, is_kept, *_ in whole if is_kept]
        assert max(Counter(kept).values(), default=1) == 1  # one of a round's candidates at most
