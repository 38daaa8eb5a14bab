"""``vlsu annotate demo``: a small project to try the grading app on, with mild samples."""

from __future__ import annotations

import os
import random
import socket
import sys
import tempfile
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsu.cli.annotate import app, project_part

if TYPE_CHECKING:
    from vlsu.annotate.projects.project import Project
    from vlsu.data import Dataset, Sample

DATASET = "vlsu-mini"
#: Categories of the policy that are mild enough for anybody who tries it: jailbreaks and fraud.
MILD = frozenset({None, "C13", "C14"})
#: Samples of each joint severity.
SAMPLES = {"safe": 10, "borderline": 7, "unsafe": 7}
PEOPLE = (
    *(("Ana", "grader"), ("Bo", "grader"), ("Chi", "grader")),
    *(("Dana", "adjudicator"), ("Lee", "lead")),
)
#: Made graders who have graded before: name, how many items, and how often they find otherwise
#: than the dataset does.
SIMULATED = (("Simulated 1", 80, 0.10), ("Simulated 2", 70, 0.25), ("Simulated 3", 40, 0.35))


@app.command("demo")
def demo(
    out: Annotated[
        Path | None,
        typer.Option(help="Where it goes, and stays; a temporary folder if not given."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 finds a free one.")] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the first grader's page.")
    ] = True,
) -> None:
    """Try the grading app: a small project with mild samples, served on this machine.

    Links of three graders, an adjudicator and a lead are printed. Some grades are there already, by
    simulated graders. Ctrl-C ends it.
    """
    project_module = project_part("project")
    from vlsu.cli.output import print_text, say

    place = tempfile.TemporaryDirectory(prefix="vlsu-demo-") if out is None else nullcontext(out)
    with place as folder:
        project = Path(folder) / "project"
        if not (project / "project.yaml").exists():
            _make(Path(folder), project)
        number = port or _free_port()
        with project_module.open_project(project, connections=1) as opened:
            links = [
                (name, role, f"http://127.0.0.1:{number}/join/{opened.invite(name, role).token}")
                for name, role in PEOPLE
            ]
        for name, role, link in links:
            print_text(f"{name} ({role}): {link}")
        sys.stdout.flush()
        say("each link works once; open those of two people in two browsers, or a private window")
        if browser and _has_screen():
            threading.Thread(target=_open, args=(number, links[0][2]), daemon=True).start()
        command = typer.main.get_command(app)
        command.main(["serve", str(project), "--port", str(number)], standalone_mode=False)


def _make(folder: Path, project: Path) -> None:
    """The dataset, the project, and the grades of the simulated graders."""
    creating, module = project_part("creating"), project_part("project")
    from vlsu.annotate.plan.settings import Plan
    from vlsu.cli.output import say
    from vlsu.data import load
    from vlsu.data.deriving.part import write_part

    _require_own(folder)
    say(f"making a project of {sum(SAMPLES.values())} mild samples of {DATASET} ...")
    whole = load(DATASET)
    chosen = _mild(whole)
    dataset = write_part(
        whole, folder / "dataset", chosen, suffix="mild", which=f"{len(chosen)} samples",
        how=", of mild categories", overwrite=True,
    )  # fmt: skip
    began = int(time.time() * 1000) - 3 * 3_600_000
    creating.create(project, dataset, Plan(), now=began)
    clock = _Clock(began)
    with module.open_project(project, connections=1, clock=clock) as opened:
        _grade(opened, dataset, clock)


def _require_own(folder: Path) -> None:
    """Refuse a folder with something else than an earlier demo in it."""
    from vlsu._folders import foreign_names
    from vlsu._text import quoted
    from vlsu.errors import UsageError

    try:
        found = (
            foreign_names(folder, lambda entry: entry.name in ("dataset", "project"))
            if folder.exists()
            else []
        )
    except OSError as error:
        raise UsageError(f"--out {folder}: cannot be used ({error.strerror})") from None
    if found:
        raise UsageError(f"--out {folder}: has {quoted(found[0])} in it; give a new folder")


class _Clock:
    """Time that passes as the simulated graders work, in milliseconds."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def _mild(dataset: Dataset) -> list[Sample]:
    left = dict(SAMPLES)
    chosen = []
    for sample in dataset.samples():
        known = {sample.joint_category, sample.image_category, sample.text_category}
        label = None if sample.joint_grade is None else sample.joint_grade.label
        if known <= MILD and label is not None and left.get(label, 0) > 0:
            left[label] -= 1
            chosen.append(sample)
    return chosen


def _grade(project: Project, dataset: Dataset, clock: _Clock) -> None:
    """Have the simulated graders grade, and one skip and opt out, so that the pages show it."""
    from vlsu.annotate.plan.answers import Answer
    from vlsu.annotate.work.leasing import Lease
    from vlsu.policy import Severity

    draw = random.Random(7)  # noqa: S311  # simulated graders
    samples = {sample.id: sample for sample in dataset.samples()}
    for name, number, differs in SIMULATED:
        person = project.join(project.invite(name, "grader").token)
        project.agree(person, adult=True, version="1")
        for at in range(number):
            lease = project.next_item(person)
            if not isinstance(lease, Lease):
                break
            seconds = draw.uniform(5, 25)
            clock.now += int(seconds * 1000)
            if at % 25 == 24:
                project.skip(person, lease, seconds=seconds)
                continue
            sample = samples[lease.sample_id]
            grade = sample.grade(lease.modality) or Severity.SAFE
            if draw.random() < differs:
                grade = draw.choice([each for each in Severity if each is not grade])
            joint = lease.modality == "joint"
            project.submit(
                person,
                Answer(
                    client_id=f"demo-{person}-{at}",
                    slot=lease.slot,
                    token=lease.token,
                    grade=grade.label,
                    category=None if grade is Severity.SAFE else sample.joint_category or "C14",
                    confidence=draw.choice((2, 3)),
                    refers="image" if joint else None,
                    because="neither" if joint else None,
                    revealed=None if lease.modality == "text" else True,
                    seconds=seconds,
                ),
            )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def _has_screen() -> bool:
    """Whether a browser with windows can be opened; a text browser would take the terminal."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open(port: int, link: str) -> None:
    """Open a link as soon as the server listens."""
    import webbrowser

    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            webbrowser.open(link)
            return
