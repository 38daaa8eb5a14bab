"""``vlsu annotate``: projects in which people grade."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["BASE_URL", "Folder", "Json", "app", "project_part", "shown_rate"]

app = typer.Typer(
    help="Projects in which people grade images, texts and pairs.", no_args_is_help=True
)

#: Where the server of a project is, unless told otherwise.
BASE_URL = "http://127.0.0.1:8766"

Folder = Annotated[Path, typer.Argument(metavar="P", help="The project's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("init")
def init(
    project: Folder,
    dataset: Annotated[str, typer.Option(help="A dataset folder, or vlsu-mini.")],
    graders: Annotated[
        str, typer.Option(help="Grades of each sample, by modality.")
    ] = "image=1,text=3,joint=3",
    policy: Annotated[
        str | None, typer.Option(help="A policy file or name; the dataset's if not given.")
    ] = None,
    db: Annotated[
        str | None,
        typer.Option(
            help="postgresql://USER@HOST/NAME, a database of its own (password: in the address, "
            "PGPASSWORD or ~/.pgpass); a SQLite file in the folder if not given."
        ),
    ] = None,
    gold: Annotated[
        Path | None,
        typer.Option(help="Known answers: a CSV with item, grade and perhaps modality, category."),
    ] = None,
    regrade: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of samples graded by three where one grader is asked for."
        ),
    ] = 0.15,
    disjoint: Annotated[
        bool, typer.Option("--disjoint", help="Whoever grades a pair never sees its parts apart.")
    ] = False,
    minutes: Annotated[
        int, typer.Option(min=0, help="Of grading a person and day, at most; 0 for no bound.")
    ] = 240,
    hard_items: Annotated[
        int, typer.Option(min=0, help="Hard items a person and day, at most; 0 for no bound.")
    ] = 60,
    training: Annotated[
        int, typer.Option(min=0, help="Known items with feedback before work; 0 for none.")
    ] = 10,
    passing: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the training to get right.")
    ] = 0.7,
    pause_failed: Annotated[
        bool,
        typer.Option("--pause-failed", help="Pause who does not pass, instead of a mark."),
    ] = False,
    hidden_gold: Annotated[
        int, typer.Option(min=0, help="Known items among the others: one in so many; 0 for none.")
    ] = 20,
    hidden_repeats: Annotated[
        int, typer.Option(min=0, help="Items graded again: one in so many; 0 for none.")
    ] = 30,
    adaptive: Annotated[
        str | None,
        typer.Option(help="As 3:5: where 3 grade, up to 5 do where the consensus is least sure."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all orders and draws.")] = 0,
    support: Annotated[
        str, typer.Option(help="Helpline and contact, shown to graders on every page.")
    ] = "",
    officer: Annotated[
        str, typer.Option(help="Who is told of what may be illegal, and reports it.")
    ] = "",
    forget_after: Annotated[
        int,
        typer.Option(
            min=0,
            max=3650,
            help="Days after the last grade until opt-outs and skips are deleted; 0 for never.",
        ),
    ] = 30,
    json: Json = False,
) -> None:
    """Make a project: a folder and a database with a slot for each grade that is wanted."""
    creating = project_part("creating")
    folder = project_part("folder")
    from vlsu.annotate.plan.settings import (
        Adaptive,
        Bounds,
        Checks,
        Plan,
        parse_adaptive,
        parse_graders,
    )
    from vlsu.cli.output import print_json, print_table, say
    from vlsu.data import load
    from vlsu.policy import load_policy

    first, most = (0, 0) if adaptive is None else parse_adaptive(adaptive)
    plan = Plan(
        graders=parse_graders(graders),
        regrade=regrade,
        disjoint=disjoint,
        seed=seed,
        bounds=Bounds(minutes_a_day=minutes, hard_a_day=hard_items, forget_after_days=forget_after),
        checks=Checks(
            training=training,
            passing=passing,
            pause_failed=pause_failed,
            gold=hidden_gold,
            repeats=hidden_repeats,
        ),
        adaptive=Adaptive(first=first, most=most),
    )
    made = creating.create(
        project,
        load(dataset),
        plan,
        policy=None if policy is None else load_policy(policy),
        database=db,
        gold_file=gold,
        care=folder.care_of(support, officer),
        now=time.time_ns() // 1_000_000,
    )
    if json:
        print_json(
            {"samples": made.samples, "slots": made.slots, "gold": made.gold, "notes": made.notes}
        )
    else:
        print_table(
            f"{project}: {made.samples} samples", ("modality", "grades wanted"), made.slots.items()
        )
        for note in made.notes:
            say(f"note: {note}")
        say(f"next: vlsu annotate invite {project} --role grader --name NAME")


@app.command("invite")
def invite(
    project: Folder,
    role: Annotated[str, typer.Option(help="grader, adjudicator or lead.")],
    name: Annotated[str, typer.Option(help="What you call them; exports have a pseudonym.")],
    base_url: Annotated[
        str, typer.Option(help="Where the project is served, as the person reaches it.")
    ] = BASE_URL,
    language: Annotated[
        list[str] | None,
        typer.Option(help="A language they read, such as en. Repeatable; all if none is given."),
    ] = None,
    end_sessions: Annotated[
        bool,
        typer.Option(
            "--end-sessions",
            help="Sign them out everywhere and forget their password, so that the new link is the "
            "only way in.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Invite somebody: a link that works once, within 14 days. Again for a new link."""
    module = project_part("project")
    from vlsu.annotate.web.addresses import public_address
    from vlsu.cli.output import print_json, print_text, say

    public = public_address(base_url)
    with module.open_project(project, connections=1) as opened:
        made = opened.invite(name, role, languages=language or (), end_sessions=end_sessions)
    link = f"{public.origin}{public.root}/join/{made.token}"
    if json:
        print_json({"name": " ".join(name.split()), "role": role, "link": link})
    else:
        print_text(link)
        say("the link works once, for whoever opens it first: send it to nobody else")


@app.command("status")
def status(project: Folder, json: Json = False) -> None:
    """How far a project is: slots, graders, agreement, disputes."""
    module = project_part("project")
    from vlsu.annotate.projects.status import status as status_of
    from vlsu.cli.output import print_json

    with module.open_project(project, connections=1) as opened:
        found = status_of(opened)
    if json:
        print_json(found)
    else:
        _print(project, found)


def _print(project: Path, found: dict[str, Any]) -> None:
    from vlsu.cli.output import print_table, print_text

    print_table(
        str(project),
        ("modality", "wanted", "done", "leased", "alpha", "AC2"),
        [
            (
                name,
                *counts.values(),
                *(
                    shown_rate(found["agreement"].get(name, {}).get(key))
                    for key in ("alpha", "ac2")
                ),
            )
            for name, counts in found["slots"].items()
        ],
        "alpha: Krippendorff's, ordinal; 95% intervals, with other items.",
    )
    print_table(
        "Graders",
        ("name", "grades", "minutes", "hard items seen"),
        [(name, *each.values()) for name, each in found["graders"].items()],
    )
    print_text(f"{found['disputes']} disputes wait for an adjudicator.")


def shown_rate(rate: dict[str, Any] | None) -> str:
    """A rate with its interval, for a table; a dash where it cannot be told."""
    if rate is None or rate["value"] is None:
        return "-"
    return f"{rate['value']:.2f} [{rate['low']:.2f}, {rate['high']:.2f}]"


def project_part(name: str) -> ModuleType:
    """A module of `vlsu.annotate.projects`.

    Raises:
        MissingExtraError: The extra ``annotate`` is not installed.
    """
    from importlib import import_module

    from vlsu.errors import MissingExtraError

    try:
        import alembic  # noqa: F401
        import sqlalchemy  # noqa: F401
    except ImportError:
        raise MissingExtraError("vlsu annotate", "annotate") from None
    return import_module(f"vlsu.annotate.projects.{name}")


# Commands of their own modules, on the same `app`.
from vlsu.cli import (  # noqa: E402
    annotate_backup,  # noqa: F401
    annotate_care,  # noqa: F401
    annotate_demo,  # noqa: F401
    annotate_quality,  # noqa: F401
    annotate_serve,  # noqa: F401
)
