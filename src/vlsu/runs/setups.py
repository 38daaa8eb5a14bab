"""How runs differ in what was asked of which model: in few words for a name, and at length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vlsu.runs.record_schema import RunRecord, SamplingRecord
from vlsu.runs.run import Run
from vlsu.runs.task_records import TASK_RECORDS

__all__ = ["differences", "drawn_for", "setup_differences"]

#: Characters of a value, and how many differences are named.
_SHOWN, _MOST = 24, 3
#: Members of a model's identity that name the model, rather than how it was asked.
_WHO = ("spec", "model", "format", "fingerprint", "rule", "members")


def differences(records: Sequence[RunRecord]) -> list[str]:
    """For each run what it does not share with all others, such as ``temperature 0.7, seed 3``.

    Args:
        records: Of the runs, as in ``run.yaml``.

    Returns:
        A text each; empty where the runs do not differ in how the model was asked.
    """
    varied = _varied(records)[:_MOST]
    return [", ".join(phrases[number] for phrases in varied) for number in range(len(records))]


def setup_differences(runs: Sequence[Run], names: Sequence[str]) -> list[dict[str, object]]:
    """What the runs do not share beside the model, each ``{"what", "values", "note"}``.

    ``values`` is by the run's name; ``note`` how it affects the comparison.
    """
    found: list[dict[str, object]] = []
    for what, note, of in _PARTS:
        values = {name: of(run.record) for name, run in zip(names, runs, strict=True)}
        if len(set(values.values())) > 1:
            found.append({"what": what, "values": values, "note": note})
    return found


def drawn_for(sampling: SamplingRecord) -> str:
    """The options a run was drawn by, such as ``--budget 500, joint.f1_macro +- 0.02``.

    Args:
        sampling: Of the run's record.
    """
    wanted = (sampling["budget"] and f"--budget {sampling['budget']}", sampling["until"])
    return ", ".join(each for each in wanted if each)


def _varied(records: Sequence[RunRecord]) -> list[list[str]]:
    """Each difference as a phrase for each run, the most informative first."""
    found = [[phrase(record) for record in records] for phrase in _PHRASES]
    settings = [_settings(record) for record in records]
    found += [
        [f"{name} {each[name]}" if name in each else f"{name} not set" for each in settings]
        for name in dict.fromkeys(name for each in settings for name in each)
    ]
    return [phrases for phrases in found if len(set(phrases)) > 1]


def _hashed(part: str) -> Callable[[RunRecord], str]:
    def phrase(record: RunRecord) -> str:
        about = record.get(part)
        return f"{part} {about['name']} {about['hash'][:6]}" if about else f"no {part}"

    return phrase


def _system(record: RunRecord) -> str:
    words = record.model.identity.get("system")
    return f"system prompt “{_cut(str(words))}”" if words else "no system prompt"


def _dataset(record: RunRecord) -> str:
    about = record["dataset"]
    return f"{about['name']} {about['version']} {str(about['content_hash'])[-6:]}"


def _samples(record: RunRecord) -> str:
    if drawn := record.get("sampling"):
        return f"samples drawn by pattern, {drawn.get('budget') or drawn.get('until')}"
    limit = record.get("limit")
    return "all samples" if limit is None else f"{limit} samples, seed {record.get('seed')}"


def _judge(record: RunRecord) -> str:
    judges = record.get("judges")
    return f"judge {_cut(str(judges[0]['spec']))}" if judges else "no judge"


_PHRASES: Sequence[Callable[[RunRecord], str]] = (
    _hashed("prompt"),
    _system,
    _dataset,
    _hashed("policy"),
    _judge,
    lambda record: "captions" if record.get("captions") else "images",
    lambda record: f"draws {record.get('draws', 1)}",
    _samples,
)


def _settings(record: RunRecord) -> dict[str, str]:
    """How the model was asked: parameter -> value, those of groups by their own names."""
    found: dict[str, str] = {}

    def add(tree: Mapping[str, Any]) -> None:
        for key, value in tree.items():
            if isinstance(value, Mapping):
                add(value)
            elif value is not None and value is not False:
                found[str(key)] = _cut(str(value))

    identity = record.model.identity
    add({key: value for key, value in identity.items() if key not in (*_WHO, "system")})
    return found


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


def _long_draws(record: RunRecord) -> str:
    # Of runs whose further draws stand apart only the first is compared.
    return str(record.get("draws", 1)) if TASK_RECORDS[record.task].draws else "1"


def _long_hashed(part: str) -> Callable[[RunRecord], str]:
    def of(record: RunRecord) -> str:
        about = record.get(part)
        return f"{about['name']} ({about['hash'][:12]})" if about else "none"

    return of


def _long_samples(record: RunRecord) -> str:
    if drawn := record.get("sampling"):
        return f"drawn by pattern ({drawn_for(drawn)})"
    limit = record.get("limit")
    return "all" if limit is None else f"{limit} drawn by seed {record.get('seed')}"


def _long_gold(record: RunRecord) -> str:
    fitted = record.get("ensemble", {}).get("fitted")
    return f"of other samples ({fitted['folds']} folds)" if fitted else "none"


def _long_settings(record: RunRecord) -> str:
    identity = record.model.identity
    how = {key: value for key, value in identity.items() if key not in _WHO and value}
    return ", ".join(f"{key} {value}" for key, value in sorted(how.items())) or "none"


def _long_judge(record: RunRecord) -> str:
    judges = record.get("judges")
    return f"{judges[0]['spec']} ({judges[0]['fingerprint'][:12]})" if judges else "none"


_PARTS: tuple[tuple[str, str, Callable[[RunRecord], str]], ...] = (
    ("prompt", "a difference may be the prompts', not the models'", _long_hashed("prompt")),
    (
        "policy",
        "they were given different rules; a difference may be the policies'",
        _long_hashed("policy"),
    ),
    (
        "judge",
        "the judges' own errors differ: nothing is claimed",
        _long_judge,
    ),
    (
        "framings",
        "only framings of the same words are compared",
        lambda record: ", ".join(record.get("framings", ())) or "none",
    ),
    (
        "captions",
        "one saw images, another what they show in words",
        lambda record: "in place of images" if record.get("captions") else "none",
    ),
    ("draws", "draws of a sample are averaged", _long_draws),
    (
        "modalities",
        "a metric needs both runs to have asked what it is of",
        lambda record: ", ".join(record["modalities"]),
    ),
    (
        "gold grades seen",
        "one was fitted to gold grades of other samples of this dataset: it is no zero-shot model",
        _long_gold,
    ),
    ("samples", "only samples that all runs have are compared", _long_samples),
    ("settings", "a difference may be the settings', not the models'", _long_settings),
    (
        "version of vlsu",
        "answers may have been read by other rules; the same vlsu run command reads them again",
        lambda record: str(record["versions"]["vlsu"]),
    ),
)
