"""The members of an ensemble: runs that will be asked, and runs that are finished."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlsu.data import Dataset
from vlsu.errors import RunError, UsageError
from vlsu.models import as_grader, models, open_model
from vlsu.models.base import Model, Settings, levels_of
from vlsu.models.catalogue import folder_name
from vlsu.models.ensemble import EnsembleSpec, MemberSpec, is_ensemble
from vlsu.policy import MODALITIES, Policy, Severity
from vlsu.registry import did_you_mean
from vlsu.runs.asking.limits import Limits
from vlsu.runs.run import Run, dataset_title, load_run
from vlsu.runs.understanding.evaluation import Evaluation, prepare
from vlsu.runs.understanding.modalities import chosen_modalities
from vlsu.runs.understanding.options import UnderstandingOptions

__all__ = ["Member", "MemberModels", "MemberRun", "open_members"]

_log = logging.getLogger(__name__)

#: A model with how it is asked.
Opened = tuple[Model, Settings, Limits]


@dataclass(frozen=True, slots=True)
class MemberModels:
    """Where an ensemble finds the models that its members name.

    Attributes:
        opened: Opens the model of a name or SPEC, with how it is asked and how fast.
        names: Names that stand for models, beside SPECs.
    """

    opened: Callable[[str], Opened]
    names: Collection[str] = ()

    @classmethod
    def alike(cls, options: UnderstandingOptions) -> MemberModels:
        """All are named by SPECs, and asked as the options say."""

        def opened(spec: str) -> Opened:
            return open_model(spec, options.settings), options.settings, options.limits

        return cls(opened)


@dataclass(frozen=True, slots=True)
class MemberRun:
    """A run whose judgments are combined.

    Attributes:
        name: As the user wrote it.
        source: An evaluation that is run in the ensemble's folder, or a finished run.
        asked: The modalities whose judgments are needed.
        modalities: Those that it could judge, or has judged.
    """

    name: str
    source: Evaluation | Run
    asked: tuple[str, ...]
    modalities: tuple[str, ...]

    @property
    def evaluation(self) -> Evaluation | None:
        """The evaluation, of a live member."""
        return self.source if isinstance(self.source, Evaluation) else None

    @property
    def folder(self) -> str:
        """The name of a live member's folder; a finished run's path."""
        if isinstance(self.source, Run):
            return str(self.source.path.absolute())
        return f"members/{folder_name(self.name)}"

    @property
    def label(self) -> str:
        """What it is called in the ensemble's SPEC: a finished run by its folder's name."""
        return self.source.path.resolve().name if isinstance(self.source, Run) else self.name

    @property
    def spec(self) -> str:
        """The model's."""
        if isinstance(self.source, Run):
            return self.source.record.model.spec
        return self.source.model.spec

    @property
    def levels(self) -> tuple[Severity, ...] | None:
        """The severities that it can give; `None` for all of the policy."""
        if isinstance(self.source, Evaluation):
            return levels_of(self.source.model)
        recorded = self.source.record.model.get("levels")
        return None if recorded is None else tuple(sorted(map(Severity.parse, recorded)))

    @property
    def prompt(self) -> Mapping[str, Any]:
        """Name and hash of its prompt."""
        if isinstance(self.source, Run):
            return {key: self.source.record.prompt[key] for key in ("name", "hash")}
        prompt: Any = self.source.task.identity()["prompt"]
        return dict(prompt)

    def identity(self) -> dict[str, object]:
        """All that could change its judgments."""
        if isinstance(self.source, Run):
            identity = dict(self.source.record.model.identity)
        else:
            identity = dict(self.source.model.identity())
        return {"spec": self.spec, "identity": identity, "prompt": dict(self.prompt)}


@dataclass(frozen=True, slots=True)
class Member:
    """A voter of an ensemble.

    Attributes:
        spec: As the user wrote it.
        run: Number of its run; two members may be restricted views of one.
        label: What it is called in the run's record and in answers.
        reads: Modality -> those of the run's judgments that it contributes there, the worse of
            several; without the modalities it contributes nothing to.
    """

    spec: MemberSpec
    run: int
    label: str
    reads: Mapping[str, tuple[str, ...]]


def open_members(
    spec: EnsembleSpec,
    dataset: Dataset,
    policy: Policy,
    options: UnderstandingOptions,
    source: MemberModels,
) -> tuple[list[Member], list[MemberRun]]:
    """The members of an ensemble, checked, and their runs, each once.

    Args:
        spec: The ensemble's.
        dataset: What is asked about.
        policy: The policy it is graded by.
        options: The ensemble's.
        source: Where the models are found that members name.

    Raises:
        UsageError: A member is unknown, or cannot contribute, or is given twice.
        RunError: A finished run cannot be combined here; the message says what differs.
        VlsuError: A model cannot be opened.
    """
    where = str(spec)
    found: dict[str, Opened | Run] = {}
    for member in spec.members:
        if member.name not in found:
            each = _resolved(member.name, where, source)
            if not isinstance(each, Run):  # a guard grades content here
                each = (as_grader(each[0], policy), *each[1:])
            found[member.name] = each
    _require_different(found, where)
    given = options.modalities
    wanted = [each for each in MODALITIES if given is None or each in given]
    offered = {name: _modalities(each) for name, each in found.items()}
    reads = [_reads(member, offered[member.name], wanted, where) for member in spec.members]
    able = {modality for each in reads for modality in each}
    chosen_modalities(where, [each for each in MODALITIES if each in able], given)
    runs: list[MemberRun] = []
    for name, each in found.items():
        pairs = zip(spec.members, reads, strict=True)
        needed = {
            m for member, read in pairs if member.name == name for ms in read.values() for m in ms
        }
        asked = tuple(m for m in MODALITIES if m in needed)
        run: Evaluation | Run
        if isinstance(each, Run):
            _require_fitting(each, dataset, policy, options)
            run = each
        else:
            run = _prepared(name, each, dataset, policy, options, asked)
        runs.append(MemberRun(name, run, asked, offered[name]))
    labels = _labels(runs)
    numbers = {run.name: number for number, run in enumerate(runs)}
    members = [
        Member(
            member,
            numbers[member.name],
            member.written(labels[numbers[member.name]]),
            read,
        )
        for member, read in zip(spec.members, reads, strict=True)
    ]
    return members, runs


def _resolved(name: str, where: str, source: MemberModels) -> Opened | Run:
    """The model or the finished run that a member names: a name, then a SPEC, then a folder."""
    if name in source.names:
        return source.opened(name)
    if is_ensemble(name):
        raise UsageError(
            f"{where}: {name} is an ensemble itself; run it first and give its folder as a member"
        )
    provider, slash, _ = name.partition("/")
    if slash and provider in models.names():
        return source.opened(name)
    if name.startswith((".", "~", os.sep)) or Path(name).is_dir():
        run = load_run(Path(name).expanduser())
        run.require_finished()
        return run
    known = [*source.names] if not slash else [f"{each}/..." for each in models.names()]
    hint = did_you_mean(name, known) if known else "names are read from models.yaml (--models)"
    raise UsageError(
        f"{where}: {name} is no name in models.yaml, no SPEC (provider/name) and no run's folder; "
        f"{hint}"
    )


def _require_different(found: Mapping[str, Opened | Run], where: str) -> None:
    """Refuse one run under two paths, and two models that would have one folder."""
    seen: dict[str, str] = {}
    for name, each in found.items():
        key = str(each.path.resolve()) if isinstance(each, Run) else folder_name(name).casefold()
        if (other := seen.setdefault(key, name)) != name:
            if isinstance(each, Run):
                raise UsageError(f"{where}: {other} and {name} are one run; give it once")
            raise UsageError(
                f"{where}: {other} and {name} would have one folder; give one of them another name "
                "in models.yaml"
            )


def _modalities(each: Opened | Run) -> tuple[str, ...]:
    """What a model can judge, or a run has judged."""
    has = each.record.modalities if isinstance(each, Run) else each[0].modalities
    return tuple(modality for modality in MODALITIES if modality in has)


def _reads(
    member: MemberSpec, offered: Sequence[str], wanted: Sequence[str], where: str
) -> dict[str, tuple[str, ...]]:
    """Which judgments a member contributes to each modality."""
    if member.only is not None and member.only not in offered:
        raise UsageError(
            f"{where}: {member.name} has no judgment of {member.only}; it has {', '.join(offered)}"
        )
    has = list(offered) if member.only is None else [member.only]
    found = {
        "image": ("image",) if "image" in has else (),
        "text": ("text",) if "text" in has else (),
        "joint": ("joint",) if "joint" in has else tuple(has),
    }
    reads = {modality: found[modality] for modality in wanted if found[modality]}
    if not reads:
        raise UsageError(
            f"{where}: {member} contributes to none of {', '.join(wanted)}; leave it out, or add "
            f"{has[0] if has else 'another modality'} to --modalities"
        )
    return reads


def _require_fitting(
    run: Run, dataset: Dataset, policy: Policy, options: UnderstandingOptions
) -> None:
    """Refuse a finished run that was asked about other samples, or under other rules.

    Raises:
        RunError: It was; the message says what differs.
    """
    record, info = run.record, dataset.info
    if record.task != "understanding":
        raise RunError(f"{run.path}: a run of {record.task}; members are runs of understanding")
    if record.dataset.content_hash != info.content_hash:
        raise RunError(
            f"{run.path}: its dataset is {dataset_title(run)}, the ensemble's {info.name} "
            f"{info.version} ({info.content_hash[:15]}); members are runs over one dataset"
        )
    if record.policy.hash != policy.hash:
        raise RunError(
            f"{run.path}: its policy is {record.policy.name} ({record.policy.hash[:12]}), the "
            f"ensemble's {policy.name} ({policy.hash[:12]}); give that with --policy, or run it "
            "again"
        )
    if record.get("sampling") is not None:
        raise RunError(
            f"{run.path}: its samples were drawn by pattern (--budget or --until); run it again "
            "without, what was answered is kept"
        )
    theirs, ours = ((each.limit, each.seed) for each in (run.subset, options.subset))
    size = len(dataset)
    sizes = [size if limit is None else min(limit, size) for limit, _ in (theirs, ours)]
    if sizes[0] != sizes[1] or (sizes[0] < size and theirs[1] != ours[1]):
        raise RunError(
            f"{run.path}: asked about {_drawn(theirs, size)}, the ensemble about "
            f"{_drawn(ours, size)}; give both the same --limit and --seed"
        )


def _drawn(subset: tuple[int | None, int], size: int) -> str:
    limit, seed = subset
    if limit is None or limit >= size:
        return f"all {size} samples"
    return f"{limit} of {size} samples drawn by seed {seed}"


def _prepared(
    name: str,
    opened: Opened,
    dataset: Dataset,
    policy: Policy,
    options: UnderstandingOptions,
    asked: Sequence[str],
) -> Evaluation:
    """The evaluation of a live member, about the samples of the ensemble."""
    model, settings, limits = opened
    mine, ours = settings.seed or 0, options.subset.seed
    if options.limit is not None and options.limit < len(dataset) and mine != ours:
        raise UsageError(
            f"{name}: draws its samples by seed {mine}, the ensemble by seed {ours}; give --seed"
        )
    return prepare(
        dataset,
        replace(
            options,
            model=model,
            settings=settings,
            limits=limits,
            modalities=asked,
            policy=policy,
            weights=None,
        ),
    )


def _labels(runs: Sequence[MemberRun]) -> list[str]:
    """The runs' labels, or their names as written where two have one label."""
    labels = [run.label for run in runs]
    return [
        run.name if labels.count(label) > 1 else label
        for run, label in zip(runs, labels, strict=True)
    ]
