"""``vlsu data export`` and ``vlsu data datasheet``: publish a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlsu.cli.data import AsJson, Folder

if TYPE_CHECKING:
    from vlsu.data import Dataset
    from vlsu.data.exporting.lmms_eval import ModalityPrompt

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("export")(export)
    app.command("datasheet")(datasheet)


def export(
    dataset: Folder,
    out: Annotated[Path, typer.Option(help="The file or the folder to write.")],
    format: Annotated[
        str | None,
        typer.Option(
            help="csv, jsonl or parquet (one file), hf, webdataset, vlsu or lmms-eval (a folder); "
            "by default --out's ending."
        ),
    ] = None,
    prompt: Annotated[
        str, typer.Option(help="For lmms-eval: the prompt, by name or by its file.")
    ] = "zero-shot",
    have_right: Annotated[
        bool,
        typer.Option(
            "--i-have-the-right",
            help="You may pass on content under a non-commercial, no-derivatives or gated licence; "
            "this is recorded in the export.",
        ),
    ] = False,
    strip: Annotated[
        bool,
        typer.Option(
            "--strip-metadata",
            help="Remove what images say beside their pictures, such as the place a photo was "
            "taken at; the content hash is another then.",
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Export the samples; all formats but csv and jsonl carry the images.

    Beside every export lie croissant.json (Croissant 1.1 with RAI 1.0) and DATASHEET.md.
    """
    from vlsu._text import one_line
    from vlsu.cli.output import counter, print_json, say
    from vlsu.data import load, write_export

    opened = load(dataset)
    chosen = format or out.suffix.lstrip(".")
    prompts = _prompts(opened, prompt) if chosen == "lmms-eval" else None
    with counter("samples") as progress:
        done = write_export(
            opened,
            chosen,
            out,
            have_right=have_right,
            strip_metadata=strip,
            prompts=prompts,
            progress=progress,
        )
    if json:
        print_json(done.to_dict())
    missing = done.without_image
    if missing and chosen not in ("csv", "jsonl"):
        say(f"{missing} of {done.samples} samples have no image")
    if done.placed:
        say(
            f"images of {done.placed} of {done.samples} samples say where they were taken; "
            "--strip-metadata removes that before you publish"
        )
    if done.stripped:
        again = f", of which {done.converted} were encoded again" * bool(done.converted)
        say(
            f"metadata was removed from the images of {done.stripped} samples{again}; "
            f"content hash: {done.content_hash}"
        )
    if "heic" in done.extensions:
        say("some images are HEIC: load_dataset and others open them only with pillow-heif")
    if opened.info.licence in ("", "unknown"):
        say("the licence is not known: state it in dataset.yaml before you publish")
    elif done.right_stated:
        say("you stated that you may pass this content on; the export says so")
    if done.unanswered:
        say(
            f"{len(done.unanswered)} questions of the datasheet are unanswered; see "
            f"vlsu data datasheet {one_line(dataset)}"
        )
    if done.tasks:
        say(f"tasks: {', '.join(done.tasks)}")
    say(f"{'folder' if out.is_dir() else 'file'}: {done.out}")


def _prompts(dataset: Dataset, name: str) -> dict[str, ModalityPrompt]:
    """The prompt of each modality, with the dataset's policy rendered in."""
    from vlsu.data.exporting.lmms_eval import ModalityPrompt
    from vlsu.policy import MODALITIES
    from vlsu.tasks.prompting import load_prompt

    text = "\ue000text\ue000"
    prompt = load_prompt(name, dataset.policy)
    return {
        modality: ModalityPrompt(
            system=prompt.systems[modality],
            frame=tuple(prompt.template.render(part=modality, text=text, mark="").split(text)),
            marked=tuple(
                prompt.template.render(part=modality, text=text, mark="{mark}").split(text)
            ),
        )
        for modality in MODALITIES
    }


def datasheet(
    dataset: Folder,
    init: Annotated[
        bool,
        typer.Option("--init", help="Add the unanswered questions to dataset.yaml, to fill in."),
    ] = False,
    json: AsJson = False,
) -> None:
    """List what only the author knows: the questions of the datasheet and their answers.

    Answers stand under datasheet in dataset.yaml; every export takes them from there.
    """
    from vlsu._text import one_line
    from vlsu.cli.output import print_json, print_table, say
    from vlsu.data import load
    from vlsu.data.exporting.questions import QUESTIONS, add_questions, lines

    opened = load(dataset)
    answers = opened.info.datasheet
    if init:
        added = add_questions(opened)
        say(f"{added} questions added to {opened.path / 'dataset.yaml'}: answer them there")
        return
    if json:
        print_json({q.key: {"question": q.text, "answer": answers.get(q.key)} for q in QUESTIONS})
        return
    rows = [
        (q.key, q.text, one_line(" ".join(lines(answers, q.key)), 60) or "unanswered")
        for q in QUESTIONS
    ]
    print_table(f"Datasheet of {dataset}", ("key", "question", "answer"), rows)
