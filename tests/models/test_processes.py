"""Answering in processes of their own: the same answers, whatever becomes of the processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from vlsu.models import open_model
from vlsu.models.base import Message, Request
from vlsu.models.inprocess import InProcessModel
from vlsu.models.judging.provider import Offline
from vlsu.models.processes import Parallel
from vlsu.runs.asking.event_loop import in_event_loop


class Doubling:
    """Doubles a number, and says in which process."""

    takes_instructions = False
    modalities = frozenset({"text"})
    levels = None

    def identity(self) -> Mapping[str, object]:
        return {"fingerprint": "doubling"}

    def pack(self, request: Request, images: object) -> int:
        return int(str(request.messages[0].parts[0]))

    def answer_packed(self, packed: Sequence[int]) -> list[Mapping[str, object]]:
        print("what a library prints")
        if -1 in packed:
            raise ValueError("no number below 0")
        if -2 in packed:
            os.kill(os.getpid(), signal.SIGKILL)
        return [{"text": str(2 * number), "process": os.getpid()} for number in packed]


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    """Processes import nothing out of the current folder, so they are told where this file is."""
    known = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(each for each in known if each))


@pytest.fixture
def parallel():
    made = Parallel(Doubling(), f"{__name__}:Doubling", after=0, count=2)
    yield made
    made.close()


def ask(parallel: Parallel, *numbers: int) -> list[Any]:
    requests = [Request((Message("user", (str(number),)),)) for number in numbers]
    return [dict(answer) for answer in parallel.answer(requests, None)]  # type: ignore[arg-type]


def test_batches_are_answered_in_order_in_two_processes(parallel):
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda n: ask(parallel, n, n + 1), range(20)))
    assert [[a["text"] for a in each] for each in found] == [
        [str(2 * n), str(2 * n + 2)] for n in range(20)
    ]
    processes = {a["process"] for each in found for a in each}
    assert os.getpid() not in processes
    assert len(processes) == 2


def test_the_first_requests_are_answered_here():
    made = Parallel(Doubling(), f"{__name__}:Doubling", after=3, count=2)
    here = [ask(made, 1, 2)[0]["process"], ask(made, 3, 4)[0]["process"]]
    there = ask(made, 5)[0]["process"]
    made.close()
    assert here == [os.getpid()] * 2
    assert there != os.getpid()


def test_one_core_starts_no_process():
    made = Parallel(Doubling(), f"{__name__}:Doubling", after=0, count=1)
    assert ask(made, 4)[0] == {"text": "8", "process": os.getpid()}
    made.close()


def test_what_answering_raises_is_raised_here_and_the_process_goes_on(parallel):
    before = ask(parallel, 1)[0]["process"]
    for _ in range(2):
        with pytest.raises(ValueError, match="no number below 0"):
            ask(parallel, -1)
    assert before in {ask(parallel, 1)[0]["process"] for _ in range(2)}


def test_a_killed_process_loses_no_answer_and_another_takes_its_place(parallel):
    killed = ask(parallel, 1)[0]["process"]
    os.kill(killed, signal.SIGKILL)
    found = [ask(parallel, n)[0] for n in (1, 2, 3, 4)]
    assert [each["text"] for each in found] == ["2", "4", "6", "8"]
    assert killed not in {each["process"] for each in found}


def test_no_process_can_be_started(parallel, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert ask(parallel, 7)[0] == {"text": "14", "process": os.getpid()}


def test_nothing_is_imported_out_of_the_current_folder(parallel, tmp_path, monkeypatch):
    for name in ("queue.py", "struct.py", "vlsu.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'was-run')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    answer = ask(parallel, 3)[0]
    assert (answer["text"], answer["process"] == os.getpid()) == ("6", False)
    assert not (tmp_path / "was-run").exists()


def test_processes_end_with_the_one_that_started_them(tmp_path):
    script = tmp_path / "user.py"
    script.write_text(
        "import os, signal\n"
        f"from {__name__} import Doubling, ask\n"
        "from vlsu.models.processes import Parallel\n"
        f"made = Parallel(Doubling(), '{__name__}:Doubling', after=0, count=2)\n"
        "print(ask(made, 1)[0]['process'], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, check=False)
    assert done.returncode == -signal.SIGKILL
    started = int(done.stdout)
    for _ in range(200):
        try:
            state = Path(f"/proc/{started}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return  # it has ended; nobody here waits for orphans
        time.sleep(0.05)
    raise AssertionError("it runs on")


def test_the_judge_says_the_same_in_processes_and_closes_them():
    answers = [f"I'm sorry, I can't help with number {n}." for n in range(40)]
    answers += [f"Sure, here are {n} steps. First, ask." for n in range(40)]

    async def judged(model: InProcessModel) -> list[bytes]:
        requests = [Request((Message("user", ("How?", answer)),)) for answer in answers]
        raws = [await model.send(request, None) for request in requests]  # type: ignore[arg-type]
        await model.close()
        return [raw.body for raw in raws]

    one = open_model("judge/offline")
    judge = Parallel(Offline(), "vlsu.models.judging.provider:Offline", after=0, count=2)
    other = InProcessModel("judge/offline", judge, workers=2)
    assert one.identity() == other.identity()
    assert in_event_loop(lambda: judged(one)) == in_event_loop(lambda: judged(other))  # type: ignore[arg-type]
