"""What a run owes to its prompt: the same questions under prompts that differ in one respect.

The controls (`vlsu.tasks.CONTROLS`) are asked on some of the run's samples, each in a run folder of
its own below the run's, and compared with it on those samples, paired. Where a control differs from
the run's prompt in a part that a request does not have (`no-hint` in what it says of pairs, and a
request about an image alone), it is the very request that the run has asked, whose answer is taken
over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from vlsu.data import Dataset
from vlsu.errors import UsageError
from vlsu.models import as_model
from vlsu.models.ensemble import is_ensemble
from vlsu.runs.asking.limits import Budget
from vlsu.runs.asking.progress import NO_PROGRESS, Progress
from vlsu.runs.estimate import Estimate
from vlsu.runs.finished.comparison import compare
from vlsu.runs.folder import RunFolder, write_atomically
from vlsu.runs.graded import tells_unsafe_alone
from vlsu.runs.run import Run
from vlsu.runs.understanding.evaluation import Evaluation, prepare
from vlsu.runs.understanding.options import UnderstandingOptions
from vlsu.runs.understanding.prompt_names import is_scored
from vlsu.tasks import CONTROLS, PROMPTS

__all__ = ["CONTROL_SAMPLES", "Controls", "control_runs", "prepare_controls"]

#: Samples that the controls are asked about, unless the run has fewer.
CONTROL_SAMPLES = 200
#: Metrics of the comparison that are reported.
_METRICS = ("accuracy", "f1_macro")
_FOLDER, _FILE = "controls", "controls.json"


@dataclass(frozen=True, slots=True)
class Controls:
    """Control runs that are ready to start; made by `prepare_controls`.

    Attributes:
        prompt: The name of the run's prompt.
        own: The run itself, over the samples of the controls.
        evaluations: The controls by name.
    """

    prompt: str
    own: Evaluation
    evaluations: Mapping[str, Evaluation]

    def estimate(self, out: str | Path) -> dict[str, Estimate]:
        """By control, what it will take beside the run; nothing is sent.

        Args:
            out: The run's folder.
        """
        from vlsu.runs.understanding.estimating import estimate_evaluation

        folders = {name: RunFolder(Path(out) / _FOLDER / name) for name in self.evaluations}
        source = self._source(RunFolder(out))
        return {
            name: estimate_evaluation(each, folders[name], self.own, source)
            for name, each in self.evaluations.items()
        }

    def run(
        self, run: Run, progress: Progress = NO_PROGRESS, budget: Budget | None = None
    ) -> dict[str, Any] | None:
        """Ask what is missing, and compare with the run they are controls of.

        Args:
            run: That run, finished.
            progress: Where progress is reported, of one control after the other.
            budget: What is left to spend, for all of them; `None`: the limits are for each.

        Returns:
            ``prompt``, ``modality``, ``samples`` and ``metrics``: metric -> ``values`` by prompt
            with 95% intervals, ``differences`` from the run's prompt by control with intervals and
            adjusted ``p``, and ``spread``: the largest value less the smallest. It is written to
            ``controls.json`` in the run's folder. `None` if a control was stopped before its end.

        Raises:
            VlsuError: As `Evaluation.run`.
        """
        runs, source = [], self._source(RunFolder(run.path))
        for name, evaluation in self.evaluations.items():
            control = evaluation.run(run.path / _FOLDER / name, progress, budget, source)
            if not control.finished:
                return None
            runs.append(control)
        spread = self._compared(run, runs)
        write_atomically(
            run.path / _FILE,
            orjson.dumps(spread, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE),
        )
        return spread

    def _source(self, folder: RunFolder) -> Path | None:
        """The run's responses, of which controls take over what they ask for as well.

        A store that the run shares with others has these too.
        """
        shared = self.own.options.store is not None or not folder.responses_file.exists()
        return None if shared else folder.responses_file

    def stopped(self, run: Run) -> Run | None:
        """The control of a run that was stopped before its end; `None` if none was."""
        for name in self.evaluations:
            folder = RunFolder(run.path / _FOLDER / name)
            if folder.record_file.exists():
                control = Run(folder.path, folder.record())
                if not control.finished:
                    return control
        return None

    def _compared(self, run: Run, controls: Sequence[Run]) -> dict[str, Any]:
        modality = "joint" if "joint" in run.record.modalities else run.record.modalities[0]
        pairs = {
            name: compare([run, control])["pairs"][0]["metrics"]
            for name, control in zip(self.evaluations, controls, strict=True)
        }
        metrics = {}
        names = ("f1_binary",) if tells_unsafe_alone(run) else _METRICS
        for metric in (f"{modality}.{each}" for each in names):
            found = {name: pair[metric] for name, pair in pairs.items() if metric in pair}
            if not found:
                continue
            first = next(iter(found.values()))["first"]
            values = {self.prompt: first, **{name: row["second"] for name, row in found.items()}}
            known = [rate["value"] for rate in values.values() if rate["value"] is not None]
            metrics[metric] = {
                "values": values,
                "differences": {
                    name: {**row["difference"], "p_adjusted": row["p_adjusted"]}
                    for name, row in found.items()
                },
                "spread": max(known) - min(known) if known else None,
            }
        return {
            "prompt": self.prompt,
            "modality": modality,
            "samples": min(control.judgments["sample_id"].n_unique() for control in controls),
            "metrics": metrics,
        }


def control_runs(run: Run) -> list[Run]:
    """The controls of a run, finished or not, that were begun.

    Raises:
        RunError: The record of one cannot be read.
    """
    folders = [RunFolder(run.path / _FOLDER / name) for name in CONTROLS]
    return [Run(each.path, each.record()) for each in folders if each.record_file.exists()]


def prepare_controls(
    dataset: Dataset | str | Path, options: UnderstandingOptions, samples: int = CONTROL_SAMPLES
) -> Controls:
    """Check everything that can be checked before the first request.

    Args:
        dataset: The run's dataset.
        options: The run's options.
        samples: How many of the run's samples the controls are asked about at most.

    Raises:
        UsageError: The run draws its samples by pattern, or its model takes no instructions.
        VlsuError: As `prepare`.
    """
    if options.budget is not None or options.until is not None:
        raise UsageError("--controls: not with --budget or --until, which draw other samples")
    if is_ensemble(options.model):
        raise UsageError("--controls: not with an ensemble; run them with a member alone")
    limit = samples if options.limit is None else min(samples, options.limit)
    model = as_model(options.model, options.settings)
    if not model.takes_instructions:
        spec = getattr(model, "grading_spec", model.spec)
        raise UsageError(
            f"--controls: {spec} takes no instructions, so there is no prompt to control for"
        )
    if is_scored(model, options.settings):
        raise UsageError(
            f"--controls: not where {model.spec} is scored, since the controls ask for JSON"
        )
    prompt = options.prompt or PROMPTS[0]
    common = replace(options, model=model, limit=limit, pilot=None, probe=None, draws=1, trace=None)
    evaluations = {
        name: prepare(dataset, replace(common, prompt=name)) for name in CONTROLS if name != prompt
    }
    title = prompt if prompt in PROMPTS else Path(prompt).name
    return Controls(title, prepare(dataset, common), evaluations)
