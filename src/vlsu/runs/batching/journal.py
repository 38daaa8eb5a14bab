"""Which batches of a run are with a provider, in a file that survives a kill at any moment.

What will be submitted is on disk, under a label of its own, before it is submitted; its identifier
at the provider right after. So a start that finds a batch without an identifier asks the provider
for the label first, and neither loses a batch nor has one processed twice.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import orjson

from vlsu._files import read_bytes
from vlsu.errors import RunError
from vlsu.runs.folder import write_atomically
from vlsu.runs.writing import sync_folder

__all__ = ["MOST_TRIES", "Draft", "Journal", "State", "SubmittedBatch", "in_words", "keys_out"]

_log = logging.getLogger(__name__)

#: Batches that a request is part of at most before it is given up.
MOST_TRIES = 3
_VERSION = 1
State = Literal["intended", "submitted", "collected", "failed"]
_OPEN = ("intended", "submitted")
#: A file of keys that was not complete yet.
_HALF_WRITTEN = re.compile(r"\.vlsu-[0-9a-f]+\.keys\.\d+\.tmp")


@dataclass(slots=True)
class SubmittedBatch:
    """A batch of a run.

    Attributes:
        label: The name under which it is submitted.
        spec: The model's.
        server: The host it is submitted to.
        requests: How many it holds.
        since: When it was about to be submitted, in seconds since the epoch.
        state: ``intended`` until the provider is known to have it, ``submitted``, then
            ``collected`` when all its answers are stored, or ``failed`` if it was not accepted.
        id: The provider's identifier.
        answered: Of its requests, how many had an answer.
        message: Why it was not accepted.
        likely_cost: What it is likely to cost, in the currency of the price; 0 without one.
        file: The provider's name of the uploaded file of its requests, if there is one.
    """

    label: str
    spec: str
    server: str
    requests: int
    since: float
    state: State = "intended"
    id: str | None = None
    answered: int = 0
    message: str = ""
    likely_cost: float = 0.0
    file: str | None = None

    @property
    def open(self) -> bool:
        """Whether its answers are still to come."""
        return self.state in _OPEN


class Journal:
    """The batches of a run folder: ``batches.json``, and what is about to be sent in ``batches``.

    Args:
        run: The run folder, locked by this process.

    Attributes:
        batches: All of them, in the order in which they were made.
        tries: Of requests that came back without an answer: key -> how often.

    Raises:
        RunError: The file is damaged.
    """

    def __init__(self, run: Path) -> None:
        self.file = run / "batches.json"
        self.folder = run / "batches"
        self.batches: list[SubmittedBatch] = []
        self.tries: dict[str, int] = {}
        self._read()
        self._given_up = {key for key, tries in self.tries.items() if tries >= MOST_TRIES}

    def _read(self) -> None:
        try:
            tree = orjson.loads(read_bytes(self.file))
            if tree["version"] != _VERSION:
                raise ValueError
            self.batches = [_batch(each) for each in tree["batches"]]
            self.tries = {str(key): int(count) for key, count in tree["tries"].items()}
        except FileNotFoundError:
            return
        except OSError as error:
            raise RunError(f"{self.file}: cannot be read ({error.strerror})") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RunError(
                f"{self.file}: damaged; it says which batches are with the provider: put a copy "
                "back, or delete it if there are none, for they would be paid for twice"
            ) from None

    def write(self) -> None:
        """Replace the file whole, on disk when this returns.

        Raises:
            RunError: It cannot be written.
        """
        tree = {
            "version": _VERSION,
            "batches": [asdict(each) for each in self.batches],
            "tries": self.tries,
        }
        text = orjson.dumps(tree, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        write_atomically(self.file, text)
        _sync(self.file.parent)

    def open(self, spec: str | None = None) -> list[SubmittedBatch]:
        """Those whose answers are still to come, of one model or of all."""
        return [each for each in self.batches if each.open and spec in (None, each.spec)]

    def given_up_before(self, keys: Collection[str]) -> int:
        """How many of these requests earlier starts gave up; each is counted once."""
        found = self._given_up.intersection(keys)
        self._given_up -= found
        return len(found)

    @property
    def identifiers(self) -> frozenset[str]:
        """The provider's identifiers of all batches."""
        return frozenset(each.id for each in self.batches if each.id is not None)

    def keys(self, batch: SubmittedBatch) -> frozenset[str] | None:
        """The keys of a batch's requests; `None` where their file is missing or not whole.

        Then it is for the answers to say what was asked.
        """
        with contextlib.suppress(OSError, UnicodeDecodeError):
            keys = frozenset(read_bytes(self.keys_file(batch)).decode("ascii").split())
            if len(keys) == batch.requests:
                return keys
        return None

    def restore_keys(self) -> None:
        """Write missing files of keys anew, of batches whose requests are still there."""
        for batch in self.open():
            lines = self.lines_file(batch)
            if batch.state == "intended" and self.keys(batch) is None and lines.exists():
                with explained(self.folder), contextlib.suppress(ValueError, AttributeError):
                    _write_keys(self.keys_file(batch), _keys_of_lines(lines))

    def tell_unknown(self, batches: Iterable[SubmittedBatch]) -> bool:
        """Whether of some batches it is not known what they ask for; then that is said."""
        unknown = [each for each in batches if self.keys(each) is None]
        if unknown:
            _log.warning(
                "%s: the keys of %s are missing; the answers, which have them, are waited for "
                "before more is handed in",
                self.folder,
                in_words(unknown),
            )
        return bool(unknown)

    def keys_file(self, batch: SubmittedBatch) -> Path:
        """The file of the keys of a batch's requests, one a line."""
        return self.folder / f"{batch.label}.keys"

    def lines_file(self, batch: SubmittedBatch) -> Path:
        """The file of a batch's requests, there until the provider has them."""
        return self.folder / f"{batch.label}.jsonl"

    def intend(self, batch: SubmittedBatch) -> None:
        """Record a batch whose files are written and that is submitted next."""
        _sync(self.folder)
        self.batches.append(batch)
        self.write()

    def uploaded(self, batch: SubmittedBatch, name: str) -> None:
        """Record that the provider has the file of a batch's requests."""
        batch.file = name
        self.write()

    def submitted(self, batch: SubmittedBatch, identifier: str) -> None:
        """Record that the provider has a batch."""
        batch.id, batch.state = identifier, "submitted"
        self.write()
        self.lines_file(batch).unlink(missing_ok=True)

    def over(self, batch: SubmittedBatch, state: State) -> None:
        """Record that nothing more comes of a batch; what did is stored."""
        batch.state = state
        self.write()
        for file in (self.lines_file(batch), self.keys_file(batch)):
            file.unlink(missing_ok=True)

    def remove_unfinished(self) -> None:
        """Remove what a start had begun to write that was killed before it recorded it.

        Raises:
            RunError: The folder is a link to another one.
        """
        known = {each.label for each in self.open()}
        if self.folder.is_symlink():  # to a folder that is no part of the run
            raise RunError(f"{self.folder}: is a link, which is not followed; remove it")
        with contextlib.suppress(FileNotFoundError):
            for file in self.folder.iterdir():
                whole = file.suffix in (".jsonl", ".keys")
                if (whole and file.stem not in known) or _HALF_WRITTEN.fullmatch(file.name):
                    file.unlink(missing_ok=True)


def in_words(batches: Collection[SubmittedBatch]) -> str:
    """How many batches and requests these are, and of which models."""
    if not batches:
        return "no batch"
    requests, specs = sum(each.requests for each in batches), sorted({b.spec for b in batches})
    return (
        f"{len(batches)} batch{'' if len(batches) == 1 else 'es'} of {', '.join(specs)} with "
        f"{requests} request{'' if requests == 1 else 's'}"
    )


def keys_out(run: Path) -> frozenset[str]:
    """The keys of all requests of a run folder that are in batches with a provider.

    Raises:
        RunError: The record of the batches is damaged.
    """
    journal = Journal(run)
    keys: set[str] = set()
    for batch in journal.open():
        keys |= journal.keys(batch) or frozenset()  # another process may have just collected it
    return frozenset(keys)


class Draft:
    """A batch that is being written to a file.

    Args:
        journal: Of the run.
        spec: The model's.
        server: The host it will go to.

    Attributes:
        keys: Of its requests, in their order.
        size: Its bytes so far.
        likely_cost: What its requests are likely to cost.
    """

    def __init__(self, journal: Journal, spec: str, server: str) -> None:
        self.keys: list[str] = []
        self.size = 0
        self.likely_cost = 0.0
        self._journal = journal
        label = f"vlsu-{uuid4().hex}"
        self._batch = SubmittedBatch(label, spec, server, 0, 0.0)
        journal.folder.mkdir(exist_ok=True)
        self._file = journal.lines_file(self._batch).open("xb")

    def add(self, key: str, line: bytes, likely_cost: float = 0.0) -> None:
        """One more request, as a line without its end, and what it is likely to cost."""
        self._file.write(line)
        self._file.write(b"\n")
        self.keys.append(key)
        self.size += len(line) + 1
        self.likely_cost += likely_cost

    def intend(self) -> SubmittedBatch:
        """Have it recorded, with all that it needs on disk."""
        self._batch.requests, self._batch.since = len(self.keys), time.time()
        self._batch.likely_cost = self.likely_cost
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        _write_keys(self._journal.keys_file(self._batch), self.keys)
        self._journal.intend(self._batch)
        return self._batch

    def drop(self) -> None:
        """Leave it; nothing of it was recorded."""
        with contextlib.suppress(OSError):  # on a full disk, what is not written yet
            self._file.close()
        self._journal.lines_file(self._batch).unlink(missing_ok=True)


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Raise what the disk refuses as a `RunError` of one line."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be written ({error.strerror}); fix that and run the same command "
            "again"
        ) from None


def _batch(tree: dict[str, Any]) -> SubmittedBatch:
    known = {each.name for each in fields(SubmittedBatch)}
    batch = SubmittedBatch(**{name: value for name, value in tree.items() if name in known})
    texts = (batch.label, batch.spec, batch.server, batch.state, batch.message)
    name = batch.label.replace("-", "")
    if not all(isinstance(text, str) for text in texts) or not (name.isascii() and name.isalnum()):
        raise ValueError
    if batch.state not in (*_OPEN, "collected", "failed"):
        raise ValueError
    if (batch.state == "submitted") != isinstance(batch.id, str) and batch.open:
        raise ValueError
    batch.requests, batch.since = int(batch.requests), float(batch.since)
    batch.likely_cost = float(batch.likely_cost)
    batch.file = None if batch.file is None else str(batch.file)
    return batch


def _write_keys(file: Path, keys: Iterable[str]) -> None:
    write_atomically(file, "".join(f"{key}\n" for key in keys).encode())


def _keys_of_lines(lines: Path) -> Iterator[str]:
    """The keys in a file of requests, where each provider's interface has them."""
    with lines.open("rb") as file:
        for line in file:
            tree = orjson.loads(line)
            yield str(tree.get("custom_id") or tree.get("key"))


def _sync(folder: Path) -> None:
    """Have a folder's entries on disk, where the file system can."""
    with contextlib.suppress(OSError):
        sync_folder(folder)
