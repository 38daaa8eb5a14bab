"""``vlsu build tune-grader``: prompts race on graded samples, and the winner is held to others.

Successive halving on one objective: all prompts grade a few samples, the better half twice as many,
and so on. The winner and the one that stands first are then asked about samples that share no
image, text or group with those it was chosen by. Everything is computed from the stored answers, so
that a start that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from vlsu._yaml import load_yaml, write_yaml
from vlsu.analysis.alignment.racing import Rung, schedule
from vlsu.analysis.alignment.splitting import LINKS, split_samples
from vlsu.analysis.stats.intervals import plain
from vlsu.build.grading.tuning.asking import Asking, StoppedError
from vlsu.build.grading.tuning.candidates import Candidate, load_prompts
from vlsu.build.grading.tuning.options import Tuned, TuneOptions
from vlsu.build.grading.tuning.scores import Scored, accuracy, change, objective
from vlsu.data import Dataset
from vlsu.errors import DataError, RunError, UsageError
from vlsu.models import as_grader
from vlsu.policy import MODALITIES
from vlsu.runs.asking.plan import Subset
from vlsu.runs.asking.progress import NO_PROGRESS, Progress
from vlsu.runs.folder import write_atomically
from vlsu.runs.record import askable
from vlsu.runs.store.store import ResponseStore
from vlsu.runs.understanding.prompt_names import is_scored, prompt_name
from vlsu.runs.writing import locked
from vlsu.tasks import (
    ONE_WORD,
    PROMPTS,
    Framing,
)

__all__ = ["PROMPT_FILE", "GraderRace"]

#: Prompts that take part by default; the first is what the winner is compared with.
REFERENCES = (*PROMPTS, ONE_WORD)
#: Graded samples that are needed on either side.
FEWEST = 20
RESULT_FILE, PROMPT_FILE, RECORD_FILE = "tuning.json", "prompt.jinja", "tuner.yaml"
CANDIDATES_FOLDER = "candidates"


class GraderRace:
    """A race that is ready to start.

    Args:
        dataset: With grades of image, text and pair.
        options: Everything else.

    Raises:
        DataError: There are too few graded samples for two parts.
        UsageError: The model cannot judge all three.
    """

    def __init__(self, dataset: Dataset, options: TuneOptions) -> None:
        self.dataset, self.options = dataset, options
        self.model = as_grader(options.model, dataset.policy)
        if lacking := [name for name in MODALITIES if name not in self.model.modalities]:
            raise UsageError(f"--model {self.model.spec}: does not judge {' and '.join(lacking)}")
        self._scored = is_scored(self.model, options.settings)
        default = (ONE_WORD,) if self._scored else REFERENCES
        self.references = default if options.references is None else tuple(options.references)
        for name in (*self.references, *options.files):
            prompt_name(name, options.settings, self.model)  # refuses what cannot be scored
        self.base = self.references[0] if self.references else default[0]
        self.split = self._split()

    def _split(self) -> pl.DataFrame:
        """``sample_id, severity, lot, held_out, place, pattern``, of samples with all grades."""
        grades = [f"{name}_grade" for name in MODALITIES]
        letters = [pl.col(name).str.slice(0, 1).str.to_uppercase() for name in grades]
        seed = self.options.settings.seed or 0
        with self.dataset.reading():
            frame = (
                Subset(self.options.limit, seed)
                .frame(self.dataset)
                .filter(pl.all_horizontal(pl.col(*grades).is_not_null()), askable())
                .select(
                    pl.col("id").alias("sample_id"),
                    *LINKS,
                    severity="joint_grade",
                    pattern=pl.concat_str(letters, separator="-"),
                )
                .collect()
            )
        split = split_samples(frame, self.options.held_out, seed).join(
            frame.select("sample_id", "pattern"), on="sample_id", maintain_order="left"
        )
        sides = [split.filter(pl.col("held_out") == side).height for side in (False, True)]
        if min(sides) < FEWEST:
            raise DataError(
                f"{self.dataset.path}: {sides[0]} graded samples to choose by and {sides[1]} held "
                f"out, {FEWEST} of each are needed; add samples with grades of image, text and "
                "pair (linked ones stay together), or change --held-out"
            )
        return split

    def run(self, out: Path, progress: Progress = NO_PROGRESS) -> Tuned:
        """Run it into a folder, or go on with the race in it.

        Raises:
            RunError: The folder holds another race, or cannot be written.
            ModelError: The server is down or refuses every request.
        """
        with locked(out):
            record = self._record(out)
            store = ResponseStore(out / "responses.sqlite")
            try:
                asked = self.dataset, self.model, self.options, store, progress
                asking = Asking(*asked, scored=self._scored)
                return Tuned(self._raced(out, asking, record, progress))
            except StoppedError as stopped:
                return Tuned(None, stopped.stop)
            finally:
                store.close()

    def _record(self, out: Path) -> dict[str, Any]:
        """What decides the race, checked against what is in the folder."""
        info, policy = self.dataset.info, self.dataset.policy
        record: dict[str, Any] = {
            "format": "vlsu-grader-tuning/1",
            "dataset": {"name": info.name, "content_hash": info.content_hash},
            "policy": policy.hash,
            "model": {"spec": self.model.spec, "identity": dict(self.model.identity())},
            "split": {
                "seed": self.options.settings.seed or 0,
                "held_out": self.options.held_out,
                "limit": self.options.limit,
            },
        }
        file = out / RECORD_FILE
        shown: list[str] = []
        if file.exists():
            before: Any = load_yaml(file, RunError)
            before = before if isinstance(before, dict) else {}
            for name, value in orjson.loads(orjson.dumps(record)).items():
                if before.get(name) != value:
                    raise RunError(f"{out}: holds a race with another {name}; choose another --out")
            shown = [*before.get("shown", [])]
        record["shown"] = shown
        write_atomically(file, write_yaml(record).encode())
        return record

    def _raced(
        self, out: Path, asking: Asking, record: dict[str, Any], progress: Progress
    ) -> dict[str, Any]:
        candidates, proposals = self._candidates(out, asking)
        rungs = schedule(len(candidates), self._most(), keep=1)
        held_out = self.split.filter("held_out")
        race = sum(rung.candidates * self._rung(rung).height for rung in rungs)
        progress.begin(len(MODALITIES) * (race + 2 * held_out.height), at_most=True)
        alive = candidates
        dropped: dict[str, int] = {}
        found: dict[str, Scored] = {}
        for number, rung in enumerate(rungs, 1):
            found |= asking.graded(alive, self._rung(rung))
            size = 1 if number == len(rungs) else rungs[number].candidates
            ranked = sorted(alive, key=lambda each: objective(found[each.name]), reverse=True)
            dropped |= {each.name: number for each in ranked[size:]}
            alive = [each for each in alive if each.name not in dropped]
        (winner,) = alive
        confirmed = [winner] if winner is candidates[0] else [candidates[0], winner]
        shown = asking.graded(confirmed, held_out)
        progress.finished()
        others = [each for each in record["shown"] if each != winner.prompt.hash]
        result = {
            **self._result(candidates, winner, rungs, found, dropped, shown),
            "proposals": proposals,
            "calls": asking.calls(),
            "held_out_shown_before": len(others),
        }
        record["shown"] = [*others, winner.prompt.hash]
        write_atomically(out / RECORD_FILE, write_yaml(record).encode())
        write_atomically(out / PROMPT_FILE, winner.text.encode())
        content = orjson.dumps(result, option=orjson.OPT_INDENT_2)
        write_atomically(out / RESULT_FILE, content)
        return result

    def _candidates(self, out: Path, asking: Asking) -> tuple[list[Candidate], Any]:
        """All that take part, with those that are proposed, and what came of asking for these."""
        options, about = self.options, None
        proposed: Sequence[Framing] = ()
        if options.proposer is not None:
            proposed, about = asking.proposed(options.proposer, options.instructions)
        found = load_prompts(
            out / CANDIDATES_FOLDER,
            self.dataset.policy,
            references=self.references,
            files=options.files,
            instructions=options.instructions,
            proposed=proposed,
            base=self.base,
        )
        if len(found) < 2:
            raise UsageError("one prompt alone: there is nothing to choose among")
        return found, about

    def _most(self) -> int:
        counts = self.split.filter(~pl.col("held_out")).group_by("severity").len()
        return int(counts["len"].max() or 1)  # type: ignore[arg-type]

    def _rung(self, rung: Rung) -> pl.DataFrame:
        return self.split.filter(~pl.col("held_out"), pl.col("place") < rung.samples)

    def _result(
        self,
        candidates: Sequence[Candidate],
        winner: Candidate,
        rungs: Sequence[Rung],
        found: dict[str, Scored],
        dropped: dict[str, int],
        shown: dict[str, Scored],
    ) -> dict[str, Any]:
        baseline = candidates[0]
        moved = None if baseline is winner else change(shown[baseline.name], shown[winner.name])
        return plain(
            {
                "winner": winner.name,
                "baseline": baseline.name,
                "prompt": winner.name if winner.source == "built-in" else PROMPT_FILE,
                "prompts": {
                    each.name: {
                        "source": each.source,
                        "hash": each.prompt.hash,
                        "dropped": dropped.get(each.name),
                        "selection": accuracy(found[each.name]),
                        "held_out": accuracy(shown[each.name]) if each.name in shown else None,
                    }
                    for each in candidates
                },
                "change": moved,
                "rungs": [
                    {"prompts": rung.candidates, "samples": self._rung(rung).height}
                    for rung in rungs
                ],
                "split": {
                    name: self.split.filter(pl.col("held_out") == side).height
                    for name, side in (("selection", False), ("held_out", True))
                },
            }
        )
