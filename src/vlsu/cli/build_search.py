"""``vlsu build search``: what the local sources of a build have for some words."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vlsu.cli.build import Folder, Json, app

__all__ = ["Embedding", "search"]

Embedding = Annotated[
    str,
    typer.Option(
        help="What local images are ranked by, beside the words of their captions: auto (baseline, "
        "if installed), baseline (captions and images, offline, English), baseline/captions (no "
        "image is read), baseline/conse (images alone), hf/NAME of a CLIP or SigLIP model, none."
    ),
]


@app.command("search")
def search(
    build: Folder,
    words: Annotated[str, typer.Argument(help="A few search words.")],
    sentence: Annotated[
        str,
        typer.Option(help="What is to be seen, as one sentence; the words if not given."),
    ] = "",
    count: Annotated[int, typer.Option(min=1, help="Images to list, at most.")] = 10,
    source: Annotated[
        list[str] | None,
        typer.Option(help="Search here too, beside the build's own sources. Repeatable."),
    ] = None,
    embedding: Embedding = "auto",
    json: Json = False,
) -> None:
    """Show what is found for some words: captions and where they are from, no images.

    Local sources alone are searched; services are asked when images are looked for. The index is
    made at the first search, and used by vlsu build images. Nothing is taken into the build.
    """
    from vlsu.build.sources.base import Access, is_remote
    from vlsu.cli.build_stages import opened, opened_sources
    from vlsu.cli.output import print_json
    from vlsu.errors import UsageError

    if not words.strip():
        raise UsageError("WORDS: is empty; give a few search words")
    with opened(build) as found:
        specs = dict.fromkeys((*found.settings.sources, *(source or ())))
        local = [spec for spec in specs if not is_remote(spec)]
        if not local:
            raise UsageError(
                f"{build}: names no local source; give --source, such as folder:PATH (services "
                "are asked by vlsu build images)"
            )
        with opened_sources(found, local, Access(), embedding) as (_, index):
            assert index is not None
            shown = {
                "words": words,
                "embedding": index.embedding,
                "candidates": len(index),
                "unreadable": index.unreadable,
                "hits": [_shown(hit) for hit in index.search(words, sentence, count)],
            }
    if json:
        print_json(shown)
    else:
        _print(shown)


def _shown(hit: Any) -> dict[str, object]:
    candidate = hit.candidate
    return {
        "rank": dict(hit.ranks),
        "score": round(hit.score, 4),
        "source": candidate.source,
        "id": candidate.id,
        "caption": candidate.caption,
        "licence": candidate.licence or None,
        "page": candidate.page,
    }


def _print(shown: dict[str, Any]) -> None:
    from vlsu.cli.output import print_table, print_text

    several = len({hit["source"] for hit in shown["hits"]}) > 1
    print_table(
        f"{_images(shown['candidates'])}, by BM25 and embedding {shown['embedding']}",
        ("rank", "bm25", "embedding", *(("source",) if several else ()), "id", "caption"),
        [
            (
                hit["rank"]["hybrid"],
                *(_place(hit["rank"][name]) for name in ("bm25", "embedding")),
                *((hit["source"],) if several else ()),
                hit["id"],
                _cut(hit["caption"]),
            )
            for hit in shown["hits"]
        ],
        "-: beyond the first of that ranking, or not ranked.",
    )
    if shown["unreadable"]:
        print_text(f"{_images(shown['unreadable'])} cannot be read")


def _images(number: int) -> str:
    return f"{number} image" if number == 1 else f"{number} images"


def _place(rank: int | None) -> str:
    return "-" if rank is None else str(rank)


def _cut(caption: str) -> str:
    from vlsu._text import collapsed_line

    return collapsed_line(caption, 80)
