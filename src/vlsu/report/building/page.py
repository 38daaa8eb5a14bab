"""The page of ``vlsu build status --out``: how far a build is, what was lost, and why.

It holds counts and reasons only: no concept, text, caption or image.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlsu._folders import make_folder, require_replaceable
from vlsu.report.building.tables import charts, duration, tables
from vlsu.report.page.render import render
from vlsu.report.written import PAGE
from vlsu.runs.folder import write_atomically

__all__ = ["status_page", "write_status"]

_SECTIONS = (
    ("cells", "Cells"),
    ("stages", "Stages"),
    ("losses", "Losses"),
    ("short", "What is short"),
    ("forecast", "Forecast"),
    ("closed", "Never built"),
)


def write_status(status: Mapping[str, Any], name: str, out: Path) -> None:
    """Write the page.

    Args:
        status: As `vlsu.build.folder.build.status` gives it.
        name: Of the build.
        out: The file; its folder is made if need be, a page there is replaced.

    Raises:
        VlsuError: It cannot be written.
    """
    require_replaceable(out, "--out", PAGE)
    make_folder(out.parent)
    write_atomically(out, status_page(status, name).encode())


def status_page(status: Mapping[str, Any], name: str) -> str:
    """The page: one file that opens from disk."""
    counts = [count for of in status["cells"].values() for count in of.values()]
    done = sum(min(count["have"], count["wanted"]) for count in counts)
    stages = status["stages"].values()
    missing = status["forecast"]["missing"]
    return render(
        "build_status.html.jinja",
        charts(status),
        title=name,
        status=status,
        sections_=[each for each in _SECTIONS if each[0] != "closed" or status["closed"]],
        tables=tables(status),
        wanted=sum(count["wanted"] for count in counts),
        done=done,
        full=sum(count["have"] >= count["wanted"] for count in counts if count["wanted"]),
        cells=sum(1 for count in counts if count["wanted"]),
        missing=f"{missing:,} sample{' is' if missing == 1 else 's are'} missing",
        given_up=sum(sum(of["lost"].values()) for of in stages),
        time=duration(sum(of["seconds"] for of in stages)),
    )
