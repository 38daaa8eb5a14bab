"""Ctrl-C stops a run wherever it was started: in a script or in a notebook's cell."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.support.fault_server import FaultServer, good, silence, text_dataset
from vlsu.runs import ResponseStore

pytestmark = pytest.mark.slow

SAMPLES = 200

#: How a program comes to call a function: `cell` evaluates and prints what it returns.
PLACES = {
    "a script": "cell()",
    "a notebook's cell": """
async def kernel():
    cell()  # not awaited: the loop runs, and the cell holds it up
asyncio.new_event_loop().run_until_complete(kernel())
""",
    "a notebook's cell on uvloop": """
async def kernel():
    cell()
uvloop.new_event_loop().run_until_complete(kernel())
""",
    "a notebook's cell with a task beside it": """
async def kernel():
    beside = asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)
    cell()
    beside.cancel()
asyncio.new_event_loop().run_until_complete(kernel())
""",
}
PROGRAM = """
import asyncio, signal, sys, uvloop, vlsu
dataset, url, out = sys.argv[1:]
def cell():
    run = vlsu.evaluate(dataset, model="openai/mock", base_url=url, out=out,
                        modalities=["text"], concurrency=2)
    print("returned", run.record["status"], run.record["stopped"], flush=True)
    handler = signal.getsignal(signal.SIGINT)
    print("handler", handler is signal.default_int_handler, flush=True)
"""


#: Says when a signal has been handled: another that is sent before is lost.
NOTED = """
import signal
install = signal.signal
def noting(number, handler):
    def noted(*about):
        handler(*about)
        print("handled", flush=True)
    return install(number, noted if callable(handler) else handler)
signal.signal = noting
"""


def started(place, dataset, server, out, before=""):
    command = [sys.executable, "-c", before + PROGRAM + place]
    return subprocess.Popen(
        [*command, str(dataset.path), server.base_url, str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, process):
    end = time.monotonic() + 300
    while time.monotonic() < end:
        if condition():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    pytest.fail("it did not come to that")


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_an_interrupt_lets_what_is_in_flight_come_in_and_stops(place, tmp_path):
    dataset = text_dataset(tmp_path / "dataset", SAMPLES)
    told = threading.Event()
    with FaultServer(good, delay=0.1) as server:
        server.ready = lambda number: number <= 6 or told.is_set()
        process = started(place, dataset, server, tmp_path / "run")
        wait_for(lambda: len(server.asked) == 8, process)
        process.send_signal(signal.SIGINT)
        told.set()
        said, trouble = process.communicate(timeout=300)
    assert "returned stopped interrupted" in said, trouble
    assert "handler True" in said  # as it was before
    store = ResponseStore(tmp_path / "run" / "responses.sqlite", read_only=True)
    assert store.count() == len(server.asked) < SAMPLES / 2
    store.close()


def test_a_second_interrupt_in_a_notebook_gives_up_what_is_in_flight(tmp_path):
    dataset = text_dataset(tmp_path / "dataset", SAMPLES)
    with FaultServer(lambda a: good(a) if a.number <= 5 else silence) as server:
        cell = PLACES["a notebook's cell"]
        process = started(cell, dataset, server, tmp_path / "run", NOTED)
        wait_for(lambda: len(server.asked) >= 7, process)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "handled\n"
        time.sleep(0.5)
        assert process.poll() is None  # the timeout is two minutes
        process.send_signal(signal.SIGINT)
        said, trouble = process.communicate(timeout=300)
    assert "returned stopped interrupted" in said, trouble


def test_an_error_in_a_notebook_is_raised_in_the_cell(tmp_path):
    dataset = text_dataset(tmp_path / "dataset", 3)
    place = PLACES["a notebook's cell"].replace("cell()  #", "report()  #")
    place = (
        """
def report():
    try:
        cell()
    except vlsu.VlsuError as error:
        print("raised", error, flush=True)
"""
        + place
    )
    with FaultServer(lambda a: silence) as server:
        server.hang_up()  # nobody listens there any more
        process = started(place, dataset, server, tmp_path / "run")
        said, trouble = process.communicate(timeout=300)
    assert "raised openai/mock: the server does not answer" in said, trouble
