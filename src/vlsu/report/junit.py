"""A gate as JUnit XML, which CI systems show as tests: a test case for each requirement."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

from vlsu.runs.gating import Gate

__all__ = ["junit"]

#: What XML 1.0 cannot hold.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def junit(gate: Gate) -> str:
    """The document, by the schema Jenkins checks with (junit-10), which others read as well."""
    record = gate.run.record
    unmet = sum(not check.met for check in gate.checks)
    counts = {"tests": f"{len(gate.checks)}", "failures": f"{unmet}", "errors": "0", "time": "0"}
    root = ElementTree.Element("testsuites", {"name": "vlsu gate", **counts})
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        {
            "name": _fit(f"{record['model']['spec']} on {record['dataset']['name']}"),
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
    ):
        ElementTree.SubElement(properties, "property", name=name, value=_fit(str(value)))
    for check in gate.checks:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            name=_fit(str(check.requirement)),
            classname=f"vlsu.{record['task']}",
            time="0",
        )
        said = _fit(f"{check.requirement.key}: {check.why}")
        if check.met:
            ElementTree.SubElement(case, "system-out").text = said
        else:
            failure = ElementTree.SubElement(case, "failure", message=said, type="requirement")
            failure.text = said
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _fit(text: str) -> str:
    return _UNFIT.sub("\ufffd", text)
