"""Judging again what another run was answered, without asking: ``--replay``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import polars as pl

from vlsu.data import Dataset
from vlsu.data.parquet import scan_parquet
from vlsu.errors import RunError, UsageError
from vlsu.models.base import Model
from vlsu.policy import Policy, known_policy
from vlsu.runs.asking.keys import RequestKeys
from vlsu.runs.asking.limits import Price
from vlsu.runs.asking.plan import Chunk, Selection, plan
from vlsu.runs.asking.tally import Tally
from vlsu.runs.costs import recorded_prices
from vlsu.runs.folder import RunFolder
from vlsu.runs.record_schema import RunRecord
from vlsu.runs.session import Session
from vlsu.runs.store.digest_index import DigestIndex, digests_of
from vlsu.runs.store.store import ResponseStore
from vlsu.tasks.base import system_identity

__all__ = ["Replay"]

_log = logging.getLogger(__name__)

_ROWS = 50_000
#: Chunks between two looks at what else there is to do, such as an interrupt.
_IN_A_ROW = 64
#: Requests without an answer that are named.
_NAMED = 5


class Replay:
    """The answers of a finished run, found by sample and modality instead of by request.

    Under another policy the prompt is another one, and with it the requests' keys: so each request
    is answered by what the other run stored for the same sample and modality.

    Args:
        path: The other run's folder.
        model: The model whose answers they are.

    Raises:
        RunError: It is no finished run of understanding, or of another model.
        UsageError: Its answers cannot be read as the model's.
    """

    def __init__(self, path: str | Path, model: Model) -> None:
        if Path(path).is_file():
            raise UsageError(
                f"{path}: is a file; --replay takes the folder of a finished run, which says what "
                "was asked (a file of responses goes to --store)"
            )
        folder = RunFolder(path)
        record = folder.record()
        if record["task"] != "understanding" or "ensemble" in record:
            raise RunError(f"{folder.path}: only runs of understanding are replayed")
        if not folder.judgments_file.exists():
            raise RunError(f"{folder.path}: has no judgments yet; let the run finish first")
        if record.model.spec != model.spec:
            raise UsageError(
                f"{folder.path}: answers of {record.model.spec}; give --model {record.model.spec}"
            )
        self.path = folder.path
        self.responses_file = folder.responses_file
        self._record, self._has_first_pass = record, folder.has_first_pass
        self.missing: list[str] = []
        self.count_missing = 0
        self._index = DigestIndex()
        columns = ("sample_id", "modality", "request_key")
        try:
            table = scan_parquet(folder.judgments_file).select(columns).collect()
        except (OSError, pl.exceptions.PolarsError):
            raise RunError(f"{folder.judgments_file}: damaged; run its command again") from None
        self._keys = table.get_column("request_key")
        for start in range(0, len(table), _ROWS):
            rows = table.slice(start, _ROWS).select("sample_id", "modality").rows()
            numbers = range(start + 1, start + len(rows) + 1)
            self._index.add(digests_of([_name(*row) for row in rows]), numbers)

    @property
    def price(self) -> Price | None:
        """The price that the other run was given, at which its answers count as saved."""
        return recorded_prices(self._record).get(self._record.model.spec)

    def first_pass(
        self,
        dataset: Dataset,
        selection: Selection,
        modalities: Sequence[str],
        policy: Policy,
        system: str | None,
    ) -> Iterator[Chunk]:
        """What the other run asked about these samples before its answers, if it did.

        No judgment rests on it, but without it there would be none of the answers. It is found
        again by the other run's policy and system prompt, as far as they are at hand.

        Args:
            dataset: Of this run.
            selection: Its samples.
            modalities: Those that are judged again.
            policy: By which they are; the other run may have had the same.
            system: The custom system prompt, likewise.
        """
        hash_ = self._record["policy"]["hash"]
        same = (each for each in (policy, dataset.policy) if each.hash == hash_)
        known = known_policy(hash_) or next(same, None)
        its_system = self._record.get("system")
        if not self._has_first_pass or known is None:
            return iter(())
        if its_system != system_identity(system).get("system"):
            return iter(())
        from vlsu.tasks import LikelyCategories

        likely = LikelyCategories(known, modalities, system)
        return plan(dataset, selection, likely, RequestKeys(self._record.model.identity))

    def require_alone(self, folder: RunFolder) -> None:
        """Refuse a run's folder that has other answers, which would be taken for these.

        Raises:
            RunError: It has some of its own, or those of a third run.
        """
        before = (folder.record().get("replay") or {}).get("run")
        if before is not None and Path(before).exists():
            others = not self.path.samefile(before)
        else:
            others = not self.path.samefile(folder.path) and _has_asked(folder.responses_file)
        if others:
            raise RunError(
                f"{folder.path}: holds other answers than those of {self.path}; choose another "
                "--out"
            )

    def chunks(self, planned: Iterable[Chunk]) -> Iterator[Chunk]:
        """The same plan with the other run's keys, where it has them."""
        for chunk in planned:
            names = [_name(each.sample.id, each.task_request.modality) for each in chunk.planned]
            found = self._index.find(digests_of(names))
            there = pl.Series([number - 1 for number in found if number], dtype=pl.Int64)
            keys = iter(self._keys.gather(there).to_list())
            yield Chunk(
                chunk.samples,
                [
                    each._replace(key=next(keys)) if number else each
                    for each, number in zip(chunk.planned, found, strict=True)
                ],
            )

    async def take_over(
        self, planned: Iterable[Chunk], first: Iterable[Chunk], session: Session
    ) -> None:
        """Copy the answers into the run's store; those that there are not are counted and named.

        Args:
            planned: The plan of this run.
            first: From `first_pass`.
            session: Of this run.
        """
        before = sum(len(session.store.stored(_keys(chunk))) for chunk in first)
        if self._has_first_pass and not before:
            _log.warning(
                "%s: its first pass (--policy-detail category) is not found by the policies and "
                "the --system that are at hand; saved.store is without it",
                self.path,
            )
        lacking: set[str] = set()
        planned_in_all = 0
        for number, chunk in enumerate(self.chunks(planned)):
            planned_in_all += len(chunk.planned)
            there = session.store.stored(_keys(chunk))
            for each in chunk.planned:
                if each.key not in there and each.key not in lacking:
                    lacking.add(each.key)
                    if len(self.missing) < _NAMED:
                        self.missing.append(f"{each.sample.id} ({each.task_request.modality})")
            if number % _IN_A_ROW == 0:
                await asyncio.sleep(0)
        session.store.flush()
        session.tallies.append(Tally(planned=planned_in_all))
        self.count_missing = len(lacking)

    def account(self, record: RunRecord) -> None:
        """Record what was replayed, and say which requests have no answer, if there are any."""
        record["replay"] = {"run": str(self.path.absolute()), "missing": self.count_missing}
        record["requests"]["reused"] -= self.count_missing
        if self.count_missing:
            more = " and others" if self.count_missing > len(self.missing) else ""
            _log.warning(
                "%s: has no answer to %d requests, which count as errors: %s%s",
                self.path,
                self.count_missing,
                ", ".join(self.missing),
                more,
            )


def _has_asked(file: Path) -> bool:
    """Whether a store has answers that its run asked for; no if it is damaged, and to be mended."""
    if file.exists():
        with suppress(RunError), closing(ResponseStore(file, read_only=True)) as store:
            return bool(store.asked())
    return False


def _keys(chunk: Chunk) -> list[str]:
    return list(dict.fromkeys(each.key for each in chunk.planned))


def _name(sample_id: str, modality: str) -> str:
    return f"{modality} of {sample_id}"
