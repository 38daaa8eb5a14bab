"""Names on the Hugging Face hub: which commit is meant, and whether the hub has to be asked.

The client retries a request for half a minute, and does so for each file. The hub is therefore
asked once, without retries; if it does not answer, only files that are here already are used.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from vlsu._text import collapsed_line
from vlsu.errors import ModelError
from vlsu.models.hf.libraries import library, quiet

__all__ = ["Found", "adapter_folder", "find_on_hub", "hub_error"]

#: Seconds for the hub's one answer.
TIMEOUT = 15
#: Errors of the hub's client -> what to say of them.
_ERRORS = {
    "GatedRepoError": "gated: accept its terms on the hub and log in (hf auth login)",
    "RepositoryNotFoundError": "not on the hub, or private; and no folder of that name is here",
    "RevisionNotFoundError": "no such revision",
    "HFValidationError": "neither a folder here nor a name on the hub (OWNER/NAME)",
}
#: Those that say that it was not reached, or not to be asked.
_UNREACHED = {
    "OfflineModeIsEnabled": "the hub's client is set to offline",
    "LocalEntryNotFoundError": "the hub cannot be reached",
}
_ABSENT = "not in the local cache, {}, and no folder of that name is here"


class Found(NamedTuple):
    """A repository.

    Attributes:
        commit: Its commit.
        local: Whether only what is in the cache can be used.
    """

    commit: str
    local: bool


def find_on_hub(what: str, name: str, revision: str | None, file: str) -> Found:
    """The commit that a name means: now, or when its files were last fetched.

    Args:
        what: What it is for, for messages.
        name: ``OWNER/NAME``.
        revision: A branch, tag or commit; by default the main branch.
        file: A file of it, by which it is found in the cache.

    Raises:
        ModelError: There is none, it is closed, or it is neither in the cache nor in reach.
    """
    hub = library("huggingface_hub")
    try:
        return Found(hub.model_info(name, revision=revision, timeout=TIMEOUT).sha, local=False)
    except Exception as error:
        if known := hub_error(error, _ERRORS):
            raise ModelError(f"{what}: {known}") from None
        why = hub_error(error, _UNREACHED) or _UNREACHED["LocalEntryNotFoundError"]
    cached = hub.try_to_load_from_cache(name, file, revision=revision)
    if not isinstance(cached, str):
        raise ModelError(f"{what}: {_ABSENT.format(why)}")
    return Found(Path(cached).parent.name, local=True)


def hub_error(error: BaseException, known: dict[str, str] | None = None) -> str | None:
    """What to say of an error that the hub's client raised; `None` for others."""
    said = known or {**_ERRORS, **{name: _ABSENT.format(_UNREACHED[name]) for name in _UNREACHED}}
    cause: BaseException | None = error
    while cause is not None:
        if text := said.get(type(cause).__name__):
            return text
        cause = cause.__cause__ or cause.__context__
    return None


def adapter_folder(adapter: str, found: Found) -> str:
    """The folder of an adapter's files, fetched if they are not here.

    Raises:
        ModelError: They cannot be fetched.
    """
    name = adapter.partition("@")[0]
    try:
        with quiet():
            folder: str = library("huggingface_hub").snapshot_download(
                name,
                revision=found.commit,
                allow_patterns=["adapter_*"],
                local_files_only=found.local,
            )
    except Exception as error:
        why = hub_error(error) or collapsed_line(f"{type(error).__name__}: {error}", 160)
        raise ModelError(f"adapter {adapter}: {why}") from None
    return folder
