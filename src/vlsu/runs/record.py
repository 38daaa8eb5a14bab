"""The content of a new ``run.yaml``, and the counts it holds."""

from __future__ import annotations

import datetime
import hashlib
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import orjson
import polars as pl

from vlsu._version import __version__
from vlsu.data import Dataset
from vlsu.models.base import Model, levels_of
from vlsu.runs.asking.plan import Selection
from vlsu.runs.options import RunOptions
from vlsu.runs.record_schema import RunRecord
from vlsu.tasks import CAPTION, RequestSource

if TYPE_CHECKING:
    from vlsu.models.guards import ContentGuard

__all__ = [
    "askable",
    "distinct_requests",
    "has_captions",
    "new_record",
    "not_asked",
    "now",
    "without_credentials",
]

_HAS_TEXT = pl.col("text").str.strip_chars().str.len_bytes() > 0
_HAS_IMAGE = pl.col("image_sha256").is_not_null()
_CAPTION = pl.col("metadata").str.json_path_match(f"$.{CAPTION}")
_HAS_CAPTION = _CAPTION.str.strip_chars().str.len_bytes().fill_null(0) > 0


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def new_record(
    task: RequestSource,
    model: Model,
    dataset: Dataset,
    modalities: Sequence[str],
    options: RunOptions,
    sampling: Mapping[str, object] | None = None,
    weights: Mapping[str, object] | None = None,
    probe: str | None = None,
    draws: int = 1,
) -> RunRecord:
    """The record of a run that begins now.

    ``fingerprint`` covers all that decides requests, judgments and metrics, the version of this
    package included: two starts with the same one and no fault in between have the same result.
    """
    info = dataset.info
    decisive: dict[str, Any] = {
        **task.identity(),
        "model": {"spec": model.spec, "identity": dict(model.identity()), **_levels(model)},
        "dataset": {
            "name": info.name,
            "version": info.version,
            "content_hash": info.content_hash,
            "samples": len(dataset),
        },
        "modalities": list(modalities),
        "limit": options.subset.limit,
        "seed": options.subset.seed,
    }
    if sampling is not None:
        decisive["sampling"] = dict(sampling)
    if weights is not None:
        decisive["weights"] = dict(weights)
    if probe is not None:
        decisive["probe"] = probe
    if draws > 1:
        decisive["draws"] = draws
    # How a guard of the user's own is read is said by its file; of all others by this version.
    guard = _as_guard(model)
    reading = {} if guard is None else guard.family.reading
    decided = [__version__, decisive, *([dict(reading)] if reading else [])]
    fingerprint = hashlib.sha256(orjson.dumps(decided, option=orjson.OPT_SORT_KEYS)).hexdigest()
    # A guard of the user's own may name its server in its file.
    own = None if guard is None else guard.base_url
    base_url = options.settings.base_url or own
    decisive["model"]["base_url"] = None if base_url is None else without_credentials(base_url)
    decisive["dataset"]["path"] = str(dataset.path.absolute())
    return RunRecord(
        {
            **decisive,
            "fingerprint": fingerprint,
            "versions": {
                "vlsu": __version__,
                "python": platform.python_version(),
                "polars": version("polars"),
                "numpy": version("numpy"),
            },
            "started": now(),
            "status": "running",
            **({"store": str(Path(options.store).absolute())} if options.store else {}),
        }
    )


def _as_guard(model: Model) -> ContentGuard | None:
    """The model if it is a guard that grades; no other model needs the modules of guards."""
    if not model.spec.startswith("guard/"):
        return None
    from vlsu.models.guards import ContentGuard

    return model if isinstance(model, ContentGuard) else None


def _levels(model: Model) -> dict[str, list[str]]:
    """The severities that the model can give, where those are not all."""
    levels = levels_of(model)
    return {} if levels is None else {"levels": [each.label for each in levels]}


def without_credentials(url: str) -> str:
    """An address without user, password and query: any of them may be a key."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def distinct_requests(
    dataset: Dataset, selection: Selection, modalities: Sequence[str]
) -> dict[str, int]:
    """How many different requests each modality needs: shared images and texts count once."""
    image, text = pl.col("image_sha256").hash(), pl.col("text").hash()
    hashes = {
        "image": pl.when(_HAS_IMAGE).then(image),
        "text": pl.when(_HAS_TEXT).then(text),
        "joint": pl.when(_HAS_IMAGE & _HAS_TEXT).then(pl.struct(image, text).hash()),
    }
    with dataset.reading():
        frame = (
            selection.frame(dataset)
            .select(**{modality: hashes[modality] for modality in modalities})
            .collect(engine="streaming")
        )
    # Sorted first: a hash table of a million takes several times their memory.
    return {name: frame[name].drop_nulls().sort().n_unique() for name in frame.columns}


def askable(*, captions: bool = False) -> pl.Expr:
    """Rows of a dataset whose pair can be asked about, with its image or with a caption."""
    pair = _HAS_IMAGE & _HAS_TEXT.fill_null(False)
    return pair & _HAS_CAPTION if captions else pair


def has_captions(dataset: Dataset) -> bool:
    """Whether any sample has a caption."""
    with dataset.reading():
        frame = dataset.frame().select(_HAS_CAPTION.any())
        return bool(frame.collect(engine="streaming").item())


def not_asked(
    dataset: Dataset, selection: Selection, modalities: Sequence[str], *, captions: bool = False
) -> Mapping[str, Mapping[str, int]]:
    """Per modality, how many samples could not be asked about, and why.

    Args:
        dataset: What is asked about.
        selection: How much of it.
        modalities: Those asked for.
        captions: Whether the pair is asked about with a caption in place of the image.
    """
    text, image = _HAS_TEXT.fill_null(False), _HAS_IMAGE
    bare = image & text & ~_HAS_CAPTION if captions else pl.lit(value=False)
    with dataset.reading():
        no_image, no_text, image_only, no_caption = (
            selection.frame(dataset)
            .select(
                no_image=(~image).sum(),
                no_text=(~text).sum(),
                image_only=(image & ~text).sum(),
                no_caption=bare.sum(),
            )
            .collect(engine="streaming")
            .row(0)
        )
    lacking = {
        "image": {"no image": no_image},
        "text": {"no text": no_text},
        "joint": {"no image": no_image, "no text": image_only, "no caption": no_caption},
    }
    return {
        modality: {why: n for why, n in lacking[modality].items() if n}
        for modality in modalities
        if any(lacking[modality].values())
    }
