"""Signals that end a command do what Ctrl-C does at that moment."""

import signal
import subprocess
import sys

import pytest

#: A command whose event loop gets the signal in the middle of a step that others wait for.
PROGRAM = """
import asyncio, os, signal, sys
import uvloop
import vlsu.cli
from vlsu.cli import main

number = int(sys.argv[1])
signal.signal(signal.SIGINT, getattr(signal, sys.argv[2]))
signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

async def work():
    done = asyncio.get_running_loop().create_future()

    async def other():
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            await done  # as of a thread that goes on, whose result is kept
            raise
        finally:
            print("the other has ended", flush=True)

    def step():
        os.kill(os.getpid(), number)
        for _ in range(1000):
            pass
        done.set_result(None)

    waiting = asyncio.create_task(other())
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(step)
    try:
        await asyncio.sleep(60)
    finally:
        await waiting

def command():
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())
    return 0

vlsu.cli._with_streams = command
main()
"""


#: One that waits, in a process in which Ctrl-C is ignored.
WAITING = """
import time, vlsu.cli
def command():
    print("waiting", flush=True)
    time.sleep(60)
    return 0
vlsu.cli._with_streams = command
vlsu.cli.main()
"""
IGNORED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_step_of_an_event_loop_that_others_wait_for_is_finished(number):
    """Broken off, it would be waited for without end."""
    command = [sys.executable, "-c", PROGRAM, str(int(number)), "default_int_handler"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (130, "the other has ended\n"), done.stderr


def test_where_ctrl_c_is_ignored_another_signal_ends_a_command():
    """As in the background of a script."""
    command = [sys.executable, "-c", IGNORED, WAITING]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "")
