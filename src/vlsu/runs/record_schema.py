"""``run.yaml`` with types. A record whose values are of other kinds is damaged, whoever did it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin, get_type_hints

from vlsu._views import View
from vlsu.runs.task_records import TASK_RECORDS, TaskRecord

__all__ = ["CostRecord", "RunRecord", "wrong_part"]

#: A number of things.
_COUNT = "not negative"
Count = Annotated[int, _COUNT]

#: Of records of earlier versions, beside a number under ``cost``.
_OLD_COSTS = ("cost_of_start", "cost_source", "cost_of")

_Check = Callable[[object], bool]


class _Part(View):
    """A part of a record; members that it need not have are not in `NEEDED`."""

    NEEDED: ClassVar[tuple[str, ...]] = ()


class ModelRecord(_Part):
    """Which model was asked: its SPEC, all that could change an answer, and where it was.

    Attributes:
        levels: The severities that it can give, where those are not all three.
    """

    NEEDED = ("spec", "identity")
    spec: str
    identity: dict[str, Any]
    base_url: str | None
    levels: list[str]


class DatasetRecord(_Part):
    """Which dataset it was asked about, and where that lay."""

    NEEDED = ("name", "version", "content_hash", "samples", "path")
    name: str
    version: str
    content_hash: str
    samples: Count
    path: str


class HashedRecord(_Part):
    """A policy or a prompt, identified by a hash of its text.

    Attributes:
        severities: Of a policy that has not all three: those that it has.
    """

    NEEDED = ("name", "hash")
    name: str
    version: str
    hash: str
    severities: list[str]


class SystemRecord(_Part):
    """A system prompt of the user's."""

    NEEDED = ("hash",)
    hash: str


class JudgeRecord(_Part):
    """A judge of an alignment run, and what its verdicts give."""

    NEEDED = ("spec", "identity", "rubric", "fingerprint", "repeats")
    spec: str
    identity: dict[str, Any]
    rubric: str
    fingerprint: str
    repeats: Count
    gives: list[str]
    unknown_languages: dict[str, Count]


class SamplingRecord(_Part):
    """How the samples asked about were drawn."""

    budget: Count | None
    until: str | None
    seed: int
    requests: dict[str, Count]


class SplitRecord(_Part):
    """How a framing search split the pairs."""

    NEEDED = ("seed", "held_out")
    seed: int
    limit: Count | None
    held_out: float


class LabelsRecord(_Part):
    """The human labels that correct the judged rates."""

    NEEDED = ("labelled",)
    file: str
    sha256: str
    labelled: Count
    unlabelled: Count
    labels: dict[str, Count]


class BatchPriceRecord(_Part):
    """Money for a million tokens in a batch interface."""

    input: float
    output: float
    cached: float | None
    cache_write: float | None


class PriceRecord(_Part):
    """Money for a million tokens."""

    input: float
    output: float
    source: str
    cached: float | None
    cache_write: float | None
    currency: str | None
    batch: BatchPriceRecord | None


class CostRecord(_Part):
    """What a run has cost.

    Attributes:
        total: Over all starts.
        currency: Its code; `None` where it is not known, or of models priced in several.
        of_start: Of the last start.
        of: The total by SPEC.
        source: Where the prices come from.
        prices: By SPEC, of a million tokens.
        saved: What was paid less than the list price, by reason: ``cache``, ``batch``, ``shared``,
            and ``store`` where other runs have paid for answers.
    """

    NEEDED = ("total",)
    total: float
    currency: str | None
    of_start: float
    of: dict[str, float]
    source: str
    prices: dict[str, PriceRecord]
    saved: dict[str, float]

    @classmethod
    def put(cls, tree: dict[str, Any]) -> None:
        """Bring the costs of a record that an earlier version wrote into this form."""
        old = {name: tree.pop(name, None) for name in _OLD_COSTS}
        if _is_number(tree.get("cost")):
            prices = tree.pop("prices", None)
            tree["cost"] = {
                "total": tree["cost"],
                **{name.removeprefix("cost_"): each for name, each in old.items() if each},
                **({} if prices is None else {"prices": prices}),
            }


class EnsembleRecord(_Part):
    """How the verdicts of an ensemble were made, and of which runs.

    Attributes:
        members: Each ``name``, ``spec``, ``prompt``, ``contributes`` (modality -> the judgments
            it gives there), ``live``, ``folder``, and once it ran ``fingerprint``, ``judgments``
            (their hash), ``outcomes`` and perhaps ``cost``.
        decided_without_all: Modality -> how many were decided though a member had no answer.
        gold_seen: Of a stack, which gold grades it was fitted to, in words.
        fitted: Of a stack: ``folds``, ``seed``, ``strength``.
    """

    NEEDED = ("rule", "members")
    rule: str
    members: list[dict[str, Any]]
    decided_without_all: dict[str, Count]
    gold_seen: str
    fitted: dict[str, Any]


class RequestsRecord(_Part):
    """How many requests were needed, asked, found in the store, retried, and came to nothing."""

    NEEDED = ("asked", "reused", "stored")
    asked: Count
    reused: Count
    stored: Count
    needed: Count
    shared: Count
    retries: dict[str, Count]
    errors: dict[str, Count]
    unanswered: dict[str, Count]


class RunRecord(_Part):
    """The content of ``run.yaml``: what was asked of which model about which data, and how it went.

    Attributes:
        task: ``understanding``, ``alignment`` or ``tuning``.
        status: ``running`` or ``finished``.
        framings: Name of a framing -> hash of its text, of an alignment run.
        modalities: Those asked about, of ``image``, ``text`` and ``joint``.
        outcomes: Modality, or framing, -> outcome -> how many.
        probe: What was asked besides, ``swap`` or nothing; `probe_outcomes` are its outcomes.
        draws: Answers to each request; of an understanding run without it, one. Those of the
            further ones have `rerun_outcomes`.
        ensemble: Of a run whose verdicts are combined from those of other runs.
        not_asked: Modality -> reason -> how many samples.
    """

    NEEDED = (
        *("task", "status", "model", "dataset", "policy", "modalities", "versions", "started"),
    )
    task: str
    status: str
    model: ModelRecord
    dataset: DatasetRecord
    policy: HashedRecord
    prompt: HashedRecord
    system: SystemRecord
    framings: dict[str, str]
    judges: list[JudgeRecord]
    captions: bool
    draws: Count
    calibrated: bool
    labels: LabelsRecord | None
    modalities: list[str]
    limit: Count | None
    seed: int | None
    sampling: SamplingRecord | None
    weights: dict[str, Any] | None
    probe: str | None
    probe_outcomes: dict[str, Count]
    rerun_outcomes: dict[str, Count]
    split: SplitRecord
    ensemble: EnsembleRecord
    fingerprint: str
    versions: dict[str, str]
    started: str
    ended: str | None
    stopped: str | None
    stop_reason: str | None
    stop_bound: str | None
    requests: RequestsRecord
    outcomes: dict[str, dict[str, Count]]
    not_asked: dict[str, dict[str, Count]]
    images: dict[str, Count]
    results: dict[str, str]
    held_out_shown: list[str]
    concurrency: Count | None
    requests_per_minute: float | None
    tokens_per_minute: float | None
    max_requests: Count | None
    max_cost: float | None
    price: PriceRecord | None
    store: str | None
    replay: dict[str, Any] | None
    cost: CostRecord


def wrong_part(record: Mapping[str, Any]) -> str | None:
    """The first part of a record that is missing or of the wrong kind, if there is one."""
    task = TASK_RECORDS.get(record.get("task", ""), TaskRecord())
    for name in (*RunRecord.NEEDED, *task.needed):
        if name not in record:
            return name
    for name, check in _checks(RunRecord).items():
        if name in record and not check(record[name]):
            return name
    return None


@cache
def _checks(part: type[_Part]) -> dict[str, _Check]:
    """For each declared member, whether a value is of its kind."""
    hints = get_type_hints(part, include_extras=True)
    return {name: _check(hint) for name, hint in hints.items() if get_origin(hint) is not ClassVar}


def _check(hint: Any) -> _Check:
    arguments = get_args(hint)
    origin = get_origin(hint)
    if origin is Annotated:
        return _is_count
    if origin in (Union, UnionType):
        kinds = [_check(each) for each in arguments if each is not NoneType]
        return lambda value: value is None or any(kind(value) for kind in kinds)
    if origin is list:
        item = _check(arguments[0])
        return lambda value: isinstance(value, list) and all(map(item, value))
    if origin is dict:
        member = _check(arguments[1])
        return lambda value: isinstance(value, dict) and _holds(value, member)
    if isinstance(hint, type) and issubclass(hint, _Part):
        return _is_part(hint)
    return _KINDS[hint]


def _is_part(part: type[_Part]) -> _Check:
    def check(value: object) -> bool:
        if not isinstance(value, dict) or not _holds(value, _is_anything):
            return False
        checks = _checks(part)
        there = all(name in value for name in part.NEEDED)
        return there and all(checks[name](value[name]) for name in value if name in checks)

    return check


def _holds(tree: dict[object, object], member: _Check) -> bool:
    return all(isinstance(key, str) for key in tree) and all(map(member, tree.values()))


def _is_anything(_: object) -> bool:
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _is_count(value: object) -> bool:
    return _is_whole(value) and isinstance(value, int) and value >= 0


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e300 and not math.isnan(value)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


_KINDS: Mapping[object, _Check] = {
    Any: _is_anything,
    str: _is_text,
    bool: _is_flag,
    int: _is_whole,
    float: _is_number,
}
