"""Judging what is stored already while the rest of a run is asked for.

A start that goes on with a large run plans and asks in one process, which leaves the other cores
idle. A stored response never changes, so that it can be judged at any time; samples that lack a
response are judged anew once all is asked.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, NamedTuple

import polars as pl

from vlsu.runs.understanding.part_judging import Frames, JudgedPart, Part, PartsJudge

__all__ = ["EarlyJudging"]


class _Kept(NamedTuple):
    """A part that was judged.

    Attributes:
        begin: Where its judgments begin in the file.
        gold: Where they end and its gold grades begin.
        end: Where these end.
        lacking: As of `JudgedPart`.
    """

    begin: int
    gold: int
    end: int
    lacking: list[int]


class EarlyJudging:
    """Judges the parts of a run in the background, one after another, until it is stopped.

    What was judged lies in a temporary file without a name, which is gone however the process ends.
    Whatever goes wrong only ends it, and what was not judged then is judged later.

    Args:
        make_judge: Makes what judges; `None` if nothing can.
        parts: Makes the rows of the parts, in their order.
        folder: Where the file lies.
        digests: The keys of each part's requests, if they are known.
    """

    def __init__(
        self,
        make_judge: Callable[[], PartsJudge | None],
        parts: Callable[[], Generator[pl.DataFrame]],
        folder: Path,
        digests: Sequence[bytes] = (),
    ) -> None:
        self._make_judge, self._parts, self._folder = make_judge, parts, folder
        self._digests = digests
        self._judge: PartsJudge | None = None
        self._file: IO[bytes] | None = None
        self._kept: list[_Kept] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="judging early", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._judge = self._make_judge()
            if self._judge is None or self._judge.count < 2 or self._stopping.is_set():
                return  # a core is left to the thread that asks
            # Never linked to a name, and closed in `close`.
            self._file = tempfile.TemporaryFile(prefix="vlsu-judged-", dir=self._folder)  # noqa: SIM115
            parts = self._judge.each(self._rows(), self._judge.count - 1, self._stopping)
            with closing(parts):
                for judged in parts:
                    if judged is None:
                        return
                    self._keep(judged)
        except Exception:  # such as a full disk; tried again later, where it can be explained
            self._forget()

    def _rows(self) -> Iterator[Part]:
        with closing(self._parts()) as parts:
            for number, rows in enumerate(parts):
                if self._stopping.is_set():
                    return
                yield Part(rows, self.digests(number))

    def _keep(self, judged: JudgedPart) -> None:
        assert self._file is not None
        places = [self._file.tell()]
        for frame in judged.frames:
            frame.write_ipc_stream(self._file, compression="lz4")
            self._file.flush()
            places.append(self._file.tell())
        begin, middle, end = places
        self._kept.append(_Kept(begin, middle, end, judged.lacking))

    def stop(self) -> PartsJudge | None:
        """Begin no further part, and wait for those begun; what judges the others, if anything."""
        self._stopping.set()
        self._thread.join()
        return self._judge

    def close(self) -> None:
        """Stop, end the processes and forget what was judged."""
        if (judge := self.stop()) is not None:
            judge.close()
        self._forget()

    def _forget(self) -> None:
        self._kept.clear()
        if self._file is not None:
            self._file.close()

    def lacking(self, number: int) -> list[int] | None:
        """Places of the samples of a part that are to be judged anew; `None`: it was not judged.

        Args:
            number: The part's, from 0. Only after `stop`.
        """
        return self._kept[number].lacking if number < len(self._kept) else None

    def digests(self, number: int) -> bytes | None:
        """The keys of the requests of a part, if they are known."""
        return self._digests[number] if number < len(self._digests) else None

    def completed(self, number: int, anew: Frames | None) -> Frames:
        """A part that was judged, with the judgments of samples that lacked a response replaced.

        Args:
            number: The part's.
            anew: What these samples were judged as since; `None` if there are none.
        """
        assert self._file is not None
        begin, middle, end, _ = self._kept[number]
        self._file.seek(begin)
        judgments = pl.read_ipc_stream(self._file.read(middle - begin))
        gold = pl.read_ipc_stream(self._file.read(end - middle))
        return judgments if anew is None else _replaced(judgments, *anew), gold


def _replaced(judgments: pl.DataFrame, anew: pl.DataFrame, of: pl.DataFrame) -> pl.DataFrame:
    """Judgments with those of some samples replaced, of which each is there as often as before.

    Args:
        judgments: Of a part.
        anew: Of some of its samples, in the same order.
        of: A row for each of these samples.
    """
    ids = of.get_column("sample_id").implode()
    replaced = judgments.get_column("sample_id").is_in(ids)
    places = pl.concat([(~replaced).arg_true(), replaced.arg_true()])
    return pl.concat([judgments.filter(~replaced), anew])[places.arg_sort()]
