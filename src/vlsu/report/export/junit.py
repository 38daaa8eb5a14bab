"""A gate as JUnit XML, which CI systems show as tests: a test case for each requirement.

CI systems take two test cases of one class and name for one test, and show one of them: a name
holds requirement and run, and the class holds a digest of what the run is and where it lies.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from datetime import UTC, datetime
from xml.etree import ElementTree

from vlsu._folders import Kind
from vlsu._text import harmless
from vlsu.report.run_policy import not_covered
from vlsu.report.tasks import report_of
from vlsu.runs.finished.gating import Gate

__all__ = ["JUNIT", "junit"]

#: What a gate wrote before; results of other tests are none.
JUNIT = Kind.beginning(
    "JUnit file of a gate",
    re.compile(rb'\s*<\?xml[^>]*\?>\s*<testsuites\b[^>]*\bname="vlsu gate"'),
)

#: What XML 1.0 cannot hold, beside what no text should.
_UNFIT = re.compile("[\ufffe\uffff]")
#: Of a run's record, what distinguishes it from others, whenever it was made.
_IDENTITY = (
    "task",
    "model",
    "prompt",
    "policy",
    "framings",
    "judges",
    "limit",
    "seed",
    "modalities",
)


def junit(gate: Gate) -> str:
    """The document, by the schema Jenkins checks with (junit-10), which others read as well."""
    record = gate.run.record
    checks = gate.all_checks
    unmet = sum(not check.met for check in checks)
    counts = {"tests": f"{len(checks)}", "failures": f"{unmet}", "errors": "0", "time": "0"}
    run = f"{record['model']['spec']} on {record['dataset']['name']}, {gate.run.path}"
    root = ElementTree.Element("testsuites", {"name": "vlsu gate", **counts})
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        {
            "name": _fit(run),
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "skipped": "0",
            **counts,
        },
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (
        ("run", gate.run.path),
        ("task", record["task"]),
        ("dataset", record["dataset"]["content_hash"]),
        ("confidence", gate.confidence),
        ("answered", report_of(gate.run).answered_caption(gate.run.metrics) or "all"),
        ("not covered by the policy", not_covered(gate.run) or "not said"),
    ):
        ElementTree.SubElement(properties, "property", name=name, value=_fit(str(value)))
    times: Counter[str] = Counter()
    for check in checks:
        requirement = str(check.requirement)
        times[requirement] += 1
        again = f" #{times[requirement]}" if times[requirement] > 1 else ""
        case = ElementTree.SubElement(
            suite,
            "testcase",
            name=_fit(f"{requirement}{again} [{run}]"),
            classname=f"vlsu.{record['task']}.{_digest(gate)}",
            time="0",
        )
        message = _fit(f"{check.requirement.key}: {check.why}")
        if check.met:
            ElementTree.SubElement(case, "system-out").text = message
        else:
            failure = ElementTree.SubElement(case, "failure", message=message, type="requirement")
            failure.text = message
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _digest(gate: Gate) -> str:
    """Twelve hex digits of what was run, on which data, and where: the same each time it is."""
    record = gate.run.record
    about = {key: record.get(key) for key in _IDENTITY}
    about |= {"dataset": record["dataset"]["content_hash"], "path": str(gate.run.path.resolve())}
    text = json.dumps(about, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _fit(text: str) -> str:
    return _UNFIT.sub("\ufffd", harmless(text))
