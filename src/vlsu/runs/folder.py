"""The run folder: its files, its lock, and the record of what was run."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from vlsu._arguments import require_path
from vlsu._files import MAX_BYTES, open_binary, read_bytes, read_text
from vlsu._folders import among_images, is_dataset
from vlsu._yaml import YamlError, read_yaml, write_yaml
from vlsu.data.parquet import scan_parquet
from vlsu.errors import RunError
from vlsu.runs.record_schema import CostRecord, RunRecord, wrong_part
from vlsu.runs.task_records import TASK_RECORDS
from vlsu.runs.writing import locked, require_writable

__all__ = ["RunFolder", "write_atomically"]

_log = logging.getLogger(__name__)

#: What a run may not change between two starts: part of the record -> words for it.
_FIXED = {
    ("task",): "task",
    ("model", "identity"): "model or parameters",
    ("dataset", "content_hash"): "dataset",
    ("policy", "hash"): "policy",
}
#: The last line of a record begins so.
_SEAL = "checksum: "
#: Runs in a folder of runs that are named.
_NAMED = 8
#: What else is written into a run folder, each whole or not at all; the last one tries for room.
_WRITTEN = ("batches.json", "controls.json", "candidates.yaml", "tuning.json", "tuning.md", "room")
_STATUSES = ("running", "stopped", "finished")
#: Further members of a finished run's record; the last one is written last.
_OF_FINISHED = (("requests", "stored"), ("outcomes",), ("ended",))


class RunFolder:
    """Paths and record of a run."""

    def __init__(self, path: str | Path) -> None:
        self.path = require_path("run folder", path)
        self.record_file = self.path / "run.yaml"
        self.responses_file = self.path / "responses.sqlite"
        self.judgments_file = self.path / "judgments.parquet"
        self.verdicts_file = self.path / "verdicts.parquet"
        self.metrics_file = self.path / "metrics.json"
        self.sampling_file = self.path / "sampling.parquet"
        self.swaps_file = self.path / "swaps.parquet"
        self.reruns_file = self.path / "reruns.parquet"
        self._results = (
            *(self.metrics_file, self.judgments_file, self.verdicts_file),
            *(self.sampling_file, self.swaps_file, self.reruns_file),
        )

    def record(self) -> RunRecord:
        """The content of ``run.yaml``.

        Raises:
            RunError: There is no run here, or its record is damaged.
        """
        try:
            text = read_text(self.record_file, encoding="utf-8", limit=MAX_BYTES)
            tree = read_yaml(text)
        except FileNotFoundError:
            raise self._not_a_run() from None
        except OSError as error:
            raise RunError(f"{self.record_file}: cannot be read ({error.strerror})") from None
        except (UnicodeDecodeError, YamlError):
            raise self._damaged_record() from None
        if not isinstance(tree, dict) or not _is_known(tree.get("task")):
            raise self._damaged_record()
        CostRecord.put(tree)
        record = RunRecord(tree)
        # What was changed by hand is read all the same; what has lost its end is not.
        sealed, seal = "checksum" in record, record.pop("checksum", None)
        if sealed and len(str(seal)) != 64:
            raise self._damaged_record()
        if record.get("status") not in _STATUSES:
            raise self._damaged_record()
        finished = _OF_FINISHED if record.get("status") == "finished" else ()
        needed = (*_fixed(record), *finished)
        if any(_at(record, path) is None for path in needed) or wrong_part(record) is not None:
            raise self._damaged_record()
        return record

    @property
    def has_first_pass(self) -> bool:
        """Whether what was asked depends on answers that are in no result (`--policy-detail`)."""
        prompt = self.record().get("prompt") or {}
        return str(prompt.get("name")).endswith(", category")

    def _not_a_run(self) -> RunError:
        inside = sorted(str(file.parent) for file in islice(self.path.glob("*/run.yaml"), 1000))
        if (self.path / "build.yaml").exists():
            return RunError(
                f"{self.path}: not a run but a build; vlsu build status {self.path} shows what it "
                "has made, and its calls and cost"
            )
        if not inside:
            return RunError(
                f"{self.path}: not a run (no run.yaml); make one with vlsu run ... --out"
            )
        more = f" and {len(inside) - _NAMED} more" if len(inside) > _NAMED else ""
        return RunError(
            f"{self.path}: not a run but a folder of runs; give those that you mean: "
            f"{' '.join(inside[:_NAMED])}{more}"
        )

    def _damaged_record(self) -> RunError:
        return RunError(
            f"{self.record_file}: damaged; delete it and run the same vlsu run command again: "
            "what was answered is kept, and the file is written again"
        )

    def write_record(self, record: Mapping[str, object]) -> None:
        """Replace ``run.yaml`` whole; its last line is a checksum of the others."""
        text = write_yaml(dict(record)).encode()
        seal = f"{_SEAL}{hashlib.sha256(text).hexdigest()}\n"
        write_atomically(self.record_file, text + seal.encode())

    def changed_file(self) -> Path | None:
        """The first of the record and the results that is not as this package wrote it.

        One of an earlier version, which kept no checksums, counts as changed: this is asked when
        something could not be read.
        """
        try:
            text, seal, digest = read_bytes(self.record_file).rpartition(_SEAL.encode())
            if not seal or hashlib.sha256(text).hexdigest() != digest.decode()[:-1]:
                return self.record_file
            written = self.record().get("results", {})
        except (OSError, UnicodeDecodeError, RunError):
            return self.record_file
        for file in self._results:
            try:
                now = _sha256(file) if os.path.lexists(file) else None
            except OSError:
                now = "unreadable"
            if now != written.get(file.name):
                return file
        return None

    def check_same(self, record: RunRecord) -> RunRecord:
        """Refuse to continue a run that was started with other settings.

        Returns:
            The record of the run in this folder; empty if there is none.

        Raises:
            RunError: Task, model, dataset, prompt or policy differ from those of the run in it.
        """
        if not self.record_file.exists():
            return RunRecord()
        before = self.record()
        for path, words in _fixed(record).items():
            if _at(before, path) != _at(record, path):
                raise RunError(
                    f"{self.path}: holds a run with another {words}; choose another --out"
                )
        self._warn_if_fewer(before, record)
        return before

    def results(self) -> dict[str, str]:
        """File name -> SHA-256 of the results in the folder, for the record."""
        return {file.name: _sha256(file) for file in self._results if file.is_file()}

    def has_results_of(self, record: RunRecord) -> bool:
        """Whether the results that a record lists are unchanged.

        Those that are not are made again from the responses, and only then replaced.
        """
        written = record.get("results")
        if not isinstance(written, Mapping):  # of an earlier version
            return _readable_json(self.metrics_file) and _readable_table(self.judgments_file)
        try:
            return bool(written) and self.results() == written
        except OSError:
            return False

    def _warn_if_fewer(self, before: RunRecord, record: RunRecord) -> None:
        """Warn where the results of a finished run are replaced by those of fewer samples."""
        if before.get("status") != "finished":
            return
        all_of_it = record.dataset.samples
        held, now = (min(each.get("limit") or all_of_it, all_of_it) for each in (before, record))
        if now < held:
            _log.warning(
                "%s: the results of %d samples are replaced by those of %d (--limit); every answer "
                "is kept, and the former command restores its results",
                self.path,
                held,
                now,
            )

    def _remove_unfinished(self) -> None:
        """Remove what a process that was killed had begun to write."""
        for name in (*(file.name for file in (self.record_file, *self._results)), *_WRITTEN):
            for begun in self.path.glob(f".{name}.*tmp"):
                with contextlib.suppress(OSError):
                    begun.unlink()

    def _refuse_others(self) -> None:
        """Refuse a folder that is a dataset, or holds results that no run has written there."""
        begun = (self.record_file, self.responses_file, self.path / ".lock")
        if any(os.path.lexists(file) for file in begun):
            return
        if is_dataset(self.path):
            raise RunError(f"{self.path}: is a dataset; choose another --out for the run")
        if wrong := among_images(self.path):
            raise RunError(f"{self.path}: {wrong}; choose another --out for the run")
        for file in self._results:
            if os.path.lexists(file):
                raise RunError(f"{self.path}: holds a {file.name} but no run; choose another --out")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, keep other processes from writing to it, and see that this one can.

        Raises:
            RunError: It cannot be made or written, another process has it, or it holds files
                of no run that would be replaced.
        """
        self._refuse_others()
        with locked(self.path):
            self._remove_unfinished()
            require_writable(self.path, (self.record_file, *self._results))
            yield


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with open_binary(file) as opened:
        while block := opened.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _readable_json(path: Path) -> bool:
    try:
        return isinstance(orjson.loads(read_bytes(path)), dict)
    except (OSError, orjson.JSONDecodeError):
        return False


def _readable_table(path: Path) -> bool:
    try:
        scan_parquet(path).select(pl.all().null_count()).collect(engine="streaming")
    except (OSError, pl.exceptions.PolarsError):
        return False
    return True


def _is_known(task: object) -> bool:
    return isinstance(task, str) and task in TASK_RECORDS


def _fixed(record: RunRecord) -> dict[tuple[str, ...], str]:
    return {**_FIXED, **TASK_RECORDS[record.task].fixed}


def _at(tree: Mapping[str, Any], path: tuple[str, ...]) -> object:
    value: Any = tree
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file whole: readers see the old content or the new, never a part.

    Raises:
        RunError: It cannot be written; the old content stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # perhaps a link to somewhere else
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise RunError(f"{path}: cannot be written ({error.strerror})") from None
