"""Killed, cut off from power, out of room, damaged: what was answered is kept."""

import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

import vlsu
from tests.support.fault_server import (
    Asked,
    Behaviour,
    FaultServer,
    good,
    run_command,
    silence,
    text_dataset,
)
from tests.support.holding import up_to
from tests.support.stores import stored_bodies
from vlsu.errors import RunError
from vlsu.models import Fault, Raw
from vlsu.runs import ResponseStore
from vlsu.runs.folder import RunFolder
from vlsu.runs.store.salvage import PAGE, checksum, readable_rows

pytestmark = pytest.mark.slow

#: Of which moments a process is killed at, and which bytes are damaged.
SEED = 11


class Answers:
    """Answers everything well, and remembers when each request was answered."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}

    def __call__(self, asked: Asked) -> Behaviour:
        answer = good(asked)

        async def behave(writer):
            self.at[asked.digest] = time.monotonic()  # before the client can have it
            await answer(writer)

        return behave


def stored(run: Path) -> list[str]:
    """Which requests have a response in the store: the server puts their names into its answers."""
    return [json.loads(body)["id"] for body in stored_bodies(run / "responses.sqlite")]


def sound(run: Path) -> bool:
    with closing(sqlite3.connect(run / "responses.sqlite")) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def finish(process: subprocess.Popen[str], timeout: float = 300) -> tuple[int, str]:
    """Exit code and what was said."""
    _, said = process.communicate(timeout=timeout)
    assert "Traceback" not in said
    return process.returncode, said


def error_line(said: str) -> str:
    [line] = [line for line in said.splitlines() if line.startswith("error: ")]
    return line


def wait_until(condition, process):
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def pending(process, number: signal.Signals) -> bool:
    """Whether a signal has not reached the process yet: a second one would be lost."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    masks = re.findall(r"^S(?:ig|hd)Pnd:\s*(\w+)$", status, re.MULTILINE)
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


# kill -9


def test_killed_twenty_times_a_run_asks_nothing_again_that_was_stored(tmp_path):
    random = Random(SEED)
    concurrency, samples, most = 8, 2500, 120
    dataset = text_dataset(tmp_path / "dataset", samples)
    run, answers = tmp_path / "run", Answers()
    kept: set[str] = set()
    kills = repeats = in_flight = 0
    ages = [0.0]
    with FaultServer(answers, delay=0.02) as server:
        while True:
            begun = len(server.asked)
            if kills < 20:  # so far it comes, however late it is killed
                server.ready = up_to(begun + most)
            process = run_command(dataset, server.base_url, run, "--concurrency", concurrency)
            if kills == 20:
                assert finish(process)[0] == 0
            else:
                if kills % 4 == 0:  # at any moment from its start
                    time.sleep(random.uniform(0, 1.0))
                elif kills % 4 < 3:  # while it asks
                    number = begun + random.randrange(1, most)
                    wait_until(lambda seen=number: len(server.asked) >= seen, process)
                else:  # once all that was answered is on disk: it waits for no further answer
                    number = begun + most
                    wait_until(lambda seen=number: len(server.asked) > seen, process)
                    answered = {each.digest for each in server.asked[begun:number]}
                    wait_until(lambda those=answered: those <= set(stored(run)), process)
                assert process.poll() is None
                process.kill()
                killed = time.monotonic()
                server.ready = lambda number: True
                process.communicate()
                server.settle()  # what the process had sent may still have to be read
                kills += 1
            asked = [each.digest for each in server.asked[begun:]]
            assert not kept & set(asked)
            now = stored(run)
            assert len(now) == len(set(now))
            assert kept <= set(now) <= set(answers.at)
            kept = set(now)
            if process.returncode == 0:
                break
            # What is asked again: in flight, or answered and not yet on disk.
            lost = set(asked) - kept
            late = [answers.at[each] for each in lost if answers.at[each] < killed]
            repeats += len(lost)
            in_flight += len(lost) - len(late)
            assert len(lost) - len(late) <= concurrency
            ages.extend(killed - at for at in late)
    assert kills == 20
    assert len(kept) == samples
    assert len(server.asked) - samples == repeats
    # A response waits for the commit before its own and for its own (see `store.PAUSE_S`), some
    # tenths of a second; the rest is room for a machine under load.
    assert max(ages) < 30.0
    outcomes = vlsu.load_run(run).metrics["outcomes"]["text"]
    assert outcomes["ok"] == samples
    print(
        f"{kills} kills, {samples} requests: {repeats} repeated, {in_flight} of them in flight and "
        f"{repeats - in_flight} answered in the last {1000 * max(ages):.0f} ms"
    )


# Power


def test_whatever_a_power_cut_leaves_is_sound_or_mended_and_goes_on(tmp_path):
    """Copies of the folder at random moments, as they are, torn, and with a log cut short.

    A cut takes a prefix of the log that is not flushed yet; disks that lie about flushing lose
    more. Copies taken while the process runs are torn between its files.
    """
    random = Random(SEED)
    dataset = text_dataset(tmp_path / "dataset", 2000)
    run, answers = tmp_path / "run", Answers()
    copies: list[tuple[Path, set[str]]] = []
    with FaultServer(answers, delay=0.005) as server:
        # It comes so far before each copy, and ends after the last one.
        server.ready = lambda number: number <= 150 * (1 + len(copies)) or len(copies) == 10
        process = run_command(dataset, server.base_url, run, "--concurrency", 8)
        wait_until(lambda: len(server.asked) > 100, process)
        while len(copies) < 10:
            assert process.poll() is None
            number = len(copies)
            if number % 3:
                process.send_signal(signal.SIGSTOP)
            certain = set(stored(run)) if number % 3 == 1 else set()
            copies.append((tmp_path / f"copy{number}", certain))
            shutil.copytree(run, copies[-1][0])
            process.send_signal(signal.SIGCONT)
            if number % 3 == 2:
                log = copies[-1][0] / "responses.sqlite-wal"
                os.truncate(log, random.randrange(max(log.stat().st_size, 1)))
                index = copies[-1][0] / "responses.sqlite-shm"
                index.write_bytes(random.randbytes(random.randrange(1, 40_000)))
            time.sleep(random.uniform(0.05, 0.25))
        assert finish(process)[0] == 0
        for copy, certain in copies:
            store = ResponseStore(copy / "responses.sqlite")
            store.close()
            assert sound(copy)
            there = set(stored(copy))
            assert certain <= there <= set(answers.at)
        for copy, _ in random.sample(copies, 3):
            there, begun = set(stored(copy)), len(server.asked)
            result = evaluate(dataset, server, copy)
            assert result.metrics["outcomes"]["text"]["ok"] == 2000
            again = [asked.digest for asked in server.asked[begun:]]
            assert len(again) == len(set(again)) == 2000 - len(there)
            assert not there & set(again)


# Stopping


def test_sigterm_is_ctrl_c(tmp_path):
    dataset, told = text_dataset(tmp_path / "dataset", 200), threading.Event()
    with FaultServer(good, delay=0.1) as server:
        server.ready = lambda number: number <= 8 or told.is_set()
        process = run_command(dataset, server.base_url, tmp_path / "run", "--concurrency", 4)
        wait_until(lambda: len(server.asked) >= 8, process)
        process.send_signal(signal.SIGTERM)
        told.set()
        code, said = finish(process)
        assert code == 130
        assert "stopped (interrupted)" in said
        assert "run the same command again to continue" in said
        # What was in flight was waited for.
        assert len(stored(tmp_path / "run")) == len(server.asked) < 200


def test_a_second_ctrl_c_does_not_wait_for_what_is_in_flight(tmp_path):
    dataset = text_dataset(tmp_path / "dataset", 200)
    with FaultServer(lambda a: good(a) if a.number <= 20 else silence) as server:
        process = run_command(dataset, server.base_url, tmp_path / "run", "--concurrency", 4)
        wait_until(lambda: len(server.asked) >= 24, process)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        wait_until(lambda: not pending(process, signal.SIGINT), process)
        assert process.poll() is None  # --timeout is two minutes
        process.send_signal(signal.SIGINT)
        code, said = finish(process)
    assert code == 130
    assert "run the same command again to continue" in said
    assert sound(tmp_path / "run")
    assert len(stored(tmp_path / "run")) == 20


# Room, and the right to write


@pytest.fixture
def disk(tmp_path):
    """A file system of its own, and how to change it; needs root."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options: str, *more: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, *more, "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")

    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small tmpfs")
    mount("size=1m")
    yield place, lambda options: mount(f"remount,{options}")
    subprocess.run(["umount", str(place)], check=True)


def evaluate(dataset, server, out):
    return vlsu.evaluate(
        dataset, model="openai/mock", base_url=server.base_url, out=out, modalities=["text"]
    )


def test_a_full_disk_is_one_line_and_the_command_goes_on_when_there_is_room(disk, tmp_path):
    place, remount = disk
    dataset = text_dataset(tmp_path / "dataset", 3000)
    with FaultServer(Answers()) as server:
        (place / "other").write_bytes(bytes(600_000))
        code, said = finish(run_command(dataset, server.base_url, place / "run"))
        assert code == 2
        assert "the disk is full; free some and run the command again" in error_line(said)
        kept, begun = set(stored(place / "run")), len(server.asked)
        assert kept
        assert begun < 3000
        code, said = finish(run_command(dataset, server.base_url, place / "run"))
        assert code == 2  # still full: nothing is worse for trying
        assert "full" in error_line(said)
        begun = len(server.asked)
        kept = set(stored(place / "run"))
        remount("size=64m")
        run = evaluate(dataset, server, place / "run")
        assert run.metrics["outcomes"]["text"]["ok"] == 3000
        assert not kept & {asked.digest for asked in server.asked[begun:]}


def test_a_bound_on_the_size_of_files_is_one_line_and_loses_nothing_stored(tmp_path):
    dataset = text_dataset(tmp_path / "dataset", 3000)

    def bound():
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    with FaultServer(Answers()) as server:
        process = run_command(dataset, server.base_url, tmp_path / "run", preexec_fn=bound)
        code, said = finish(process)
        assert code == 2
        assert "has room and allows files of this size" in error_line(said)
        kept, begun = set(stored(tmp_path / "run")), len(server.asked)
        run = evaluate(dataset, server, tmp_path / "run")
        assert run.metrics["outcomes"]["text"]["ok"] == 3000
        assert not kept & {asked.digest for asked in server.asked[begun:]}


def test_a_read_only_disk_is_refused_for_a_run_and_good_enough_to_read_one(disk, tmp_path):
    place, remount = disk
    remount("size=64m")
    dataset = text_dataset(tmp_path / "dataset", 20)
    with FaultServer(good) as server:
        run = evaluate(dataset, server, place / "run")
        remount("ro")
        code, said = finish(run_command(dataset, server.base_url, place / "run"))
    assert code == 2
    assert "cannot be written (Read-only file system); choose another --out" in error_line(said)
    again = vlsu.load_run(place / "run")
    assert again.metrics == run.metrics
    key = again.judgments["request_key"][0]
    assert again.responses([key])[key].raw.status == 200


def test_a_folder_without_the_right_to_write_is_refused_in_one_line(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(0o555)
    if os.geteuid() == 0:
        # Root may write anywhere: ask as another user, in a process that only does this.
        for parent in (tmp_path, *tmp_path.parents[:2]):
            parent.chmod(0o755)
        said, told = os.pipe()
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            try:
                with RunFolder(folder).locked():
                    os.write(told, b"locked")
            except RunError as error:
                os.write(told, str(error).encode())
            finally:
                os._exit(0)
        os.close(told)
        os.waitpid(child, 0)
        with os.fdopen(said) as answer:
            line = answer.read()
    else:
        with pytest.raises(RunError) as caught, RunFolder(folder).locked():
            pass
        line = str(caught.value)
    assert line == f"{folder}: cannot be written (Permission denied); choose another --out"


# Damage

#: Requests of the run whose store is damaged: more than a file has without a dictionary.
WHOLE = 1_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run, its dataset, and what its server was asked."""
    folder = tmp_path_factory.mktemp("whole")
    dataset = text_dataset(folder / "dataset", WHOLE)
    with FaultServer(good) as server:
        run = evaluate(dataset, server, folder / "run")
        yield dataset, run, server


def flipped(data: bytearray, random: Random) -> None:
    for _ in range(len(data) // 20_000):
        data[random.randrange(len(data))] ^= random.randrange(1, 256)


def without_head(data: bytearray, random: Random) -> None:
    data[: 2 * PAGE] = bytes(2 * PAGE)


def half(data: bytearray, random: Random) -> None:
    del data[len(data) // 2 :]


def hole(data: bytearray, random: Random) -> None:
    at = random.randrange(2, len(data) // PAGE - 4) * PAGE
    data[at : at + 4 * PAGE] = random.randbytes(4 * PAGE)


def noise(data: bytearray, random: Random) -> None:
    data[:] = random.randbytes(len(data))


def bit_in_an_answer(data: bytearray, random: Random) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        # In the rollback mode of bytes 18 and 19 of the header, which needs no log beside it.
        connection.deserialize(bytes(data[:18] + b"\x01\x01" + data[20:]))
        bodies = [row[0] for row in connection.execute("SELECT body FROM responses")]
    body = random.choice(bodies)
    data[bytes(data).index(body) + len(body) // 2] ^= 1


@pytest.mark.parametrize("damage", [flipped, without_head, half, hole, noise, bit_in_an_answer])
@pytest.mark.parametrize("seed", [1, 2])
def test_of_a_damaged_store_the_sound_part_is_used(damage, seed, whole, tmp_path, caplog):
    dataset, run, server = whole
    copy = tmp_path / "run"
    shutil.copytree(run.path, copy)
    (copy / "judgments.parquet").unlink()  # else nothing is left to do, and nothing is looked at
    file = copy / "responses.sqlite"
    data = bytearray(file.read_bytes())
    damage(data, Random(seed))
    file.write_bytes(data)
    readable = {row[0] for row in readable_rows(file)}
    assert len(readable) >= WHOLE * {half: 0.25, hole: 0.75, noise: 0}.get(damage, 0.85)
    begun, lines = len(server.asked), []
    for _ in range(3):  # found at once, or when the place is come by: then it says so and stops
        try:
            again = evaluate(dataset, server, copy)
            break
        except RunError as error:
            lines.append(str(error))
    assert again.metrics == run.metrics
    assert all("damaged" in line and "run the same command again" in line for line in lines)
    # Nothing is thrown away, and a reader is told how much was saved.
    kept = {each.name for each in copy.glob("responses.sqlite.damaged-*")}
    logs = {f"responses.sqlite.damaged-1-{log}" for log in ("wal", "shm")}
    assert kept - logs == {"responses.sqlite.damaged-1"}
    [warning] = [record.getMessage() for record in caplog.records]
    found: Any = re.search(r"(\d+) responses were read out of it", warning)
    assert int(found[1]) >= len(readable)
    assert "responses.sqlite.damaged-1" in warning
    # What is lost is asked again; before the damage is met, so is what a broken index hides.
    lost, asked = WHOLE - len(readable), len(server.asked) - begun
    assert lost <= asked <= lost + (20 if damage is flipped else 0)
    assert sound(copy)


def test_failed_attempts_are_read_out_of_a_damaged_store_too(tmp_path, caplog):
    path = tmp_path / "responses.sqlite"
    store = ResponseStore(path)
    for number in range(300):
        fault = Fault("server", f"HTTP 503: number {number}", retry=True)
        store.put_error(f"{number:032x}", Raw(503, b"busy" * 100), fault, number % 4)
        store.put(f"{number:032x}", Raw(200, b"answer" * 50), 1)
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        before = set(connection.execute("SELECT * FROM errors"))
    data = bytearray(path.read_bytes())
    data[:100] = bytes(100)  # without its header, SQLite takes it for no database
    path.write_bytes(data)
    again = ResponseStore(path)
    assert (again.count(), again.error_counts()) == (300, {"server": 300})
    again.close()
    with closing(sqlite3.connect(path)) as connection:
        assert set(connection.execute("SELECT * FROM errors")) == before


def test_what_a_command_says_of_damage(whole, tmp_path):
    dataset, run, server = whole
    copy = tmp_path / "run"
    shutil.copytree(run.path, copy)
    (copy / "responses.sqlite").write_bytes(b"x" * 20_000)
    code, said = finish(run_command(dataset, server.base_url, copy))
    assert code == 0
    assert "damaged; 0 responses were read out of it, what is lost is asked again" in " ".join(
        said.split()
    )


def test_a_damaged_store_that_is_only_read_is_reported_with_the_mend(whole, tmp_path):
    _, run, _ = whole
    copy = tmp_path / "run"
    shutil.copytree(run.path, copy)
    data = (copy / "responses.sqlite").read_bytes()
    (copy / "responses.sqlite").write_bytes(data.replace(b"severity", b"Severity"))
    again = vlsu.load_run(copy)
    with pytest.raises(RunError, match=r"damaged .*; delete the judgments\.parquet beside it"):
        again.responses(again.judgments["request_key"].to_list())


def test_a_salvage_that_was_interrupted_is_ended(tmp_path):
    store = ResponseStore(tmp_path / "responses.sqlite")
    store.put("k", Raw(200, b"kept"), 1)
    store.close()
    # The damaged file was moved away, the new one not yet to its place.
    (tmp_path / "responses.sqlite").rename(tmp_path / "responses.sqlite.replacing")
    again = ResponseStore(tmp_path / "responses.sqlite")
    assert again.stored(["k"]) == {"k"}
    again.close()


def test_rows_are_read_from_a_file_and_its_log_whatever_their_length(tmp_path):
    random = Random(SEED)
    store = ResponseStore(tmp_path / "responses.sqlite")
    sizes = [0, 1, 3900, 4061, 4062, 9_000, 300_000, *(random.randrange(9_000) for _ in range(300))]
    truth = {}
    for number, size in enumerate(sizes):
        key, status, body = (
            f"{number:032x}",
            random.choice([0, 1, 200, 429]),
            random.randbytes(size),
        )
        store.put(key, Raw(status, body, random.choice([0.0, 1.0, 0.25])), attempts=number % 3)
        truth[key] = (status, body)
        if number % 50 == 0:
            store.flush()
    store.flush()
    shutil.copytree(tmp_path, tmp_path / "live")
    store.close()
    assert not (tmp_path / "responses.sqlite-wal").exists()
    assert (tmp_path / "live" / "responses.sqlite-wal").stat().st_size > 0
    for file in (tmp_path / "responses.sqlite", tmp_path / "live" / "responses.sqlite"):
        rows = {row[0]: (row[1], row[2]) for row in readable_rows(file)}
        assert rows == truth
        assert all(row[6] == checksum(*row[:3]) for row in readable_rows(file))


def test_what_cannot_be_written_is_said_and_nobody_waits_for_it(tmp_path):
    store = ResponseStore(tmp_path / "responses.sqlite")
    store.put("k", Raw(2**70, b"no integer of SQLite's"), 1)
    with pytest.raises(OverflowError):
        store.flush()
    with pytest.raises(OverflowError):
        store.close()


def test_a_fault_may_name_a_file_whose_name_is_no_utf_8(tmp_path):
    store = ResponseStore(tmp_path / "responses.sqlite")
    store.put_error(
        "k", Raw(0, b""), Fault("image", os.fsdecode(b"/data/\xff.png: no such file")), 1
    )
    store.flush()
    assert store.error_counts() == {"image": 1}
    store.close()


# The other files of a run


@pytest.mark.parametrize("name", ["metrics.json", "judgments.parquet"])
@pytest.mark.parametrize("damage", [half, noise, lambda data, random: data.clear()])
def test_results_that_cannot_be_read_are_made_anew(name, damage, whole, tmp_path):
    dataset, run, server = whole
    copy = tmp_path / "run"
    shutil.copytree(run.path, copy)
    data = bytearray((copy / name).read_bytes())
    damage(data, Random(SEED))
    (copy / name).write_bytes(data)
    with pytest.raises(RunError, match=r"damaged; delete it and run the same vlsu run command"):
        _ = getattr(vlsu.load_run(copy), name.split(".")[0])
    begun = len(server.asked)
    again = evaluate(dataset, server, copy)
    assert len(server.asked) == begun
    assert again.metrics == run.metrics
    assert again.judgments.equals(run.judgments)


def test_a_damaged_record_is_one_line_and_can_be_deleted(whole, tmp_path):
    dataset, run, server = whole
    copy = tmp_path / "run"
    shutil.copytree(run.path, copy)
    text = run.path.joinpath("run.yaml").read_text(encoding="utf-8")
    random = Random(SEED)
    # One that has only lost its checksum has lost nothing, and is read.
    cuts = [text[: random.randrange(text.index("ended:"))] for _ in range(12)]
    cuts.append(text[: text.index("checksum: ") + len("checksum: ")])
    for damaged in ["", "\x00" * 500, "- a list", text.replace(":", ";", 40), *cuts]:
        (copy / "run.yaml").write_text(damaged, encoding="utf-8")
        with pytest.raises(RunError) as caught:
            evaluate(dataset, server, copy)
        assert str(caught.value) == (
            f"{copy / 'run.yaml'}: damaged; delete it and run the same vlsu run command again: "
            "what was answered is kept, and the file is written again"
        )
    (copy / "run.yaml").unlink()
    begun = len(server.asked)
    again = evaluate(dataset, server, copy)
    assert len(server.asked) == begun
    assert again.metrics == run.metrics


def test_what_a_killed_process_had_begun_to_write_is_removed(whole, tmp_path):
    dataset, run, server = whole
    copy = tmp_path / "run"
    shutil.copytree(run.path, copy)
    (copy / ".run.yaml.4242.tmp").write_text("half")
    (copy / ".judgments.parquet.00003.tmp").write_text("half")
    evaluate(dataset, server, copy)
    files = {"run.yaml", "responses.sqlite", "judgments.parquet", "metrics.json", ".lock"}
    assert {path.name for path in copy.iterdir()} == files
    assert Counter(stored(copy)) == Counter(stored(run.path))
