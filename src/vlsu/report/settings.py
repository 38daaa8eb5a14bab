"""The settings of a run as a table: what is needed to repeat it."""

from __future__ import annotations

import json

from vlsu.policy import Severity
from vlsu.report.run_policy import not_covered
from vlsu.report.table import Table
from vlsu.report.task import TaskReport
from vlsu.runs import Run
from vlsu.runs.record import without_credentials
from vlsu.runs.record_schema import ModelRecord

__all__ = ["settings_table"]


def settings_table(task: TaskReport, run: Run, *, redact: bool = False) -> Table:
    """All that is needed to run it again, and what was asked.

    The dataset's path and the scheme and credentials of the server's address are left out: a report
    is passed on. To redact leaves out the server too.
    """
    record = run.record
    model, dataset, policy = (record[k] for k in ("model", "dataset", "policy"))
    requests = record.get("requests", {})
    rows = {
        "task": record["task"],
        "model": model["spec"],
        **{f"model: {key}": v for key, v in model["identity"].items() if key != "spec"},
        "model: severities that it can give": _levels(model),
        "server": None if redact else _server(model["base_url"]),
        **task.settings(record),
        "policy": f"{policy['name']} {policy['version']}, hash {policy['hash']}",
        "not covered by the policy": not_covered(run),
        "dataset": f"{dataset['name']} {dataset['version']}, {dataset['content_hash']}",
        "samples in the dataset": dataset["samples"],
        "limit": record["limit"],
        "modalities": ", ".join(record["modalities"]),
        "seed": record["seed"],
        "concurrency": record["concurrency"],
        "requests asked, and reused from the store": (
            f"{requests.get('asked', 0)}, {requests.get('reused', 0)}"
        ),
        "retries": requests.get("retries"),
        "errors": requests.get("errors"),
        "versions": ", ".join(f"{name} {number}" for name, number in record["versions"].items()),
        "started": record["started"],
        "ended": record.get("ended"),
    }
    intervals = run.metrics.get("intervals", {})
    for key, value in intervals.get("method", {}).items():
        rows[f"95% interval: {key}"] = value
    if "replicates" in intervals:
        rows["bootstrap"] = (
            f"{intervals['replicates']} replicates, seed {intervals['seed']}, "
            f"resampled by {intervals['resampled']}"
        )
    return Table(
        "settings",
        "Settings",
        ("setting", "value"),
        tuple((key, _plain(value)) for key, value in rows.items() if value not in (None, {}, "")),
    )


def _levels(model: ModelRecord) -> str | None:
    """The severities of a model that gives not all of them, and of every guard."""
    if listed := model.get("levels"):
        return ", ".join(listed)
    guard = "guard_policy" in model["identity"]
    return ", ".join(severity.label for severity in Severity) if guard else None


def _server(base_url: str | None) -> str:
    return without_credentials(base_url or "").partition("://")[2]


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
