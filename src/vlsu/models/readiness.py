"""Which models would work now: whether keys are set and optional packages are installed.

Nothing is sent, no library is imported (packages are only looked for), and no key is shown.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from vlsu._text import both_ends, collapsed_line
from vlsu.errors import MissingExtraError, VlsuError
from vlsu.models import _require_applicable, models, open_model, provider_descriptions
from vlsu.models.base import Settings
from vlsu.models.baseline.assets import MODEL_FILES
from vlsu.models.baseline.provider import NAMES
from vlsu.models.catalogue import NamedModel
from vlsu.models.formats import anthropic, google, openai, systemone
from vlsu.models.guards import FAMILIES, GRADERS, GuardModel
from vlsu.models.guards.families import GuardFamily
from vlsu.models.guards.grading.base import ContentFamily
from vlsu.models.local import RUNTIME, WEIGHTS
from vlsu.policy import MODALITIES, default_policy

__all__ = ["Readiness", "is_installed", "named_readiness", "readiness"]

Installed = Callable[[str], bool]

#: Extra -> the modules that it installs and that are needed.
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "baseline": ("onnxruntime", *dict.fromkeys(package for package, _ in MODEL_FILES.values())),
    "local": (RUNTIME,),
    "hf": ("torch", "transformers"),
    "vllm": ("vllm",),
}
#: Characters of an error that are looked at: a path may have so many.
_LONGEST = 4_096
#: A name on the hub, perhaps with a revision; anything else in its place is a folder.
_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?(@.+)?")
#: Whether a model is asked on a server that the user names: it has to be, or may be.
Server = Literal["needed", "possible"]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a model would work now.

    Attributes:
        spec: How it is named: a SPEC, or the name of an entry of ``models.yaml``.
        kind: ``provider``, ``grader`` (a guard of content), ``judge`` (of answers), ``baseline``,
            ``local``, ``ensemble``, ``plug-in``, or ``named``.
        about: What it is, in a line.
        modalities: What it grades, of image, text and joint; empty for judges of answers.
        extra: The extra of this package that it needs.
        installed: Whether that extra is; `None` if it needs none.
        key: The environment variable of its key, or the first of several.
        key_set: Whether one of them is set; `None` if it needs none.
        server: Whether the user has to name its server, or may; `None` where there is none to name.
        works: Whether it would work without naming one.
        remedy: What to do if not.
    """

    spec: str
    kind: str
    about: str
    modalities: tuple[str, ...] = MODALITIES
    extra: str | None = None
    installed: bool | None = None
    key: str | None = None
    key_set: bool | None = None
    server: Server | None = None
    works: bool = True
    remedy: str = ""

    def to_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        return asdict(self)


def is_installed(module: str) -> bool:
    """Whether a module of the top level can be found; it is not imported."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def readiness(
    environment: Mapping[str, str], installed: Installed = is_installed
) -> list[Readiness]:
    """Every provider, guard, baseline and judge, in the order of their names.

    Args:
        environment: The environment's variables.
        installed: Whether a module is installed.
    """
    about = provider_descriptions()
    found: list[Readiness] = []
    for name, text in about.items():
        if name == "guard":
            found += _guards(environment, installed)
        elif name == "baseline":
            found += _baselines(installed)
        elif name == "local":
            found += _local(text, installed)
        elif name == "judge":
            found.append(Readiness("judge/offline", "judge", text, modalities=()))
        elif name == "ensemble":
            found.append(Readiness("ensemble/RULE:A+B", "ensemble", text))
        elif name in EXTRAS:
            found.append(_with_extra(f"{name}/NAME", "provider", text, name, installed))
        elif models.is_builtin(name):
            found += _servers(name, text, environment)
        else:
            found.append(_plug_in(name, text))
    return found


def _servers(name: str, about: str, environment: Mapping[str, str]) -> Iterator[Readiness]:
    own = "or name a server with --base-url"
    variables: Mapping[str, tuple[tuple[str, ...], str]] = {
        "openai": (("OPENAI_API_KEY",), own),
        "systemone": ((systemone.KEY_VARIABLE,), own),
        "anthropic": ((anthropic.KEY_VARIABLE,), ""),
        "google": (google.KEY_VARIABLES, ""),
    }
    keys, otherwise = variables.get(name, ((), ""))
    yield _with_key(f"{name}/NAME", about, keys, environment, otherwise)
    if name == "openai":
        for server, variable in openai.KEY_VARIABLES.items():
            spec, text = f"openai/NAME ({server})", f"the same at {server}, with --base-url"
            entry = _with_key(spec, text, (variable,), environment, "")
            yield replace(entry, server="needed", works=False, remedy=_and_server(entry.remedy))


def _and_server(remedy: str) -> str:
    return " and ".join(filter(None, (remedy, "name the server with --base-url")))


def _with_key(
    spec: str, about: str, keys: tuple[str, ...], environment: Mapping[str, str], otherwise: str
) -> Readiness:
    if not keys:
        return Readiness(spec, "provider", about)
    is_set = any(environment.get(key) for key in keys)
    remedy = "" if is_set else ", ".join(filter(None, (f"set {' or '.join(keys)}", otherwise)))
    return Readiness(
        spec,
        "provider",
        about,
        key=keys[0],
        key_set=is_set,
        server="possible" if otherwise else None,
        works=is_set,
        remedy=remedy,
    )


def _with_extra(
    spec: str,
    kind: str,
    about: str,
    extra: str,
    installed: Installed,
    modalities: tuple[str, ...] = MODALITIES,
) -> Readiness:
    there = all(map(installed, EXTRAS[extra]))
    remedy = "" if there else f"pip install 'vlsu[{extra}]'"
    return Readiness(
        spec,
        kind,
        about,
        modalities,
        extra=extra,
        installed=there,
        works=there,
        remedy=remedy,
    )


def _baselines(installed: Installed) -> Iterator[Readiness]:
    about = {
        "late-fusion": "image and text graded apart by small models, the worse one for the pair",
        "majority": "the same severity for everything",
        "random": "a severity drawn at random",
    }
    for name in NAMES:
        spec, text = f"baseline/{name}", about.get(name, "")
        if name == "late-fusion":
            yield _with_extra(spec, "baseline", text, "baseline", installed)
        else:
            yield Readiness(spec, "baseline", text)


def _local(about: str, installed: Installed) -> Iterator[Readiness]:
    for name, (package, _, requirement) in WEIGHTS.items():
        entry = _with_extra(f"local/{name}", "local", about, "local", installed, ("text",))
        if not (entry.works and installed(package)):
            error = MissingExtraError(entry.spec, "local", without_dependencies=requirement)
            remedy = str(error).partition(": ")[2]
            entry = replace(entry, installed=False, works=False, remedy=remedy)
        yield entry


def _guards(environment: Mapping[str, str], installed: Installed) -> Iterator[Readiness]:
    for family in GRADERS:
        yield _grader(family, environment, installed)
    for judge in FAMILIES:
        yield _judge(judge)


def _grader(
    family: ContentFamily, environment: Mapping[str, str], installed: Installed
) -> Readiness:
    spec = f"guard/{family.name}:NAME"
    modalities = tuple(each for each in MODALITIES if each in family.modalities)
    if family.wire == "moderations":
        entry = _with_key(spec, family.about, ("OPENAI_API_KEY",), environment, "")
        return replace(entry, kind="grader", modalities=modalities)
    server = "name its server with --base-url"
    if family.wire == "completions":
        return Readiness(
            spec, "grader", family.about, modalities, server="needed", works=False, remedy=server
        )
    entry = _with_extra(spec, "grader", family.about, "hf", installed, modalities)
    if family.wire == "in-process":
        return entry
    remedy = "" if entry.works else f"{server}, or {entry.remedy}"
    return replace(entry, server="possible", remedy=remedy)


def _judge(family: GuardFamily) -> Readiness:
    return Readiness(
        f"guard/{family.name}:NAME",
        "judge",
        family.about,
        modalities=(),
        server="needed",
        works=False,
        remedy="name its server with --judge-base-url",
    )


def _plug_in(name: str, about: str) -> Readiness:
    try:
        models.get(name)
    except VlsuError as error:
        return Readiness(f"{name}/NAME", "plug-in", "", works=False, remedy=_why(error))
    return Readiness(f"{name}/NAME", "plug-in", about)


def _why(error: VlsuError) -> str:
    """What an error says, on a line of a table: its cause stands at its end."""
    return both_ends(collapsed_line(str(error), _LONGEST), 300)


def named_readiness(
    named: NamedModel, settings: Settings, installed: Installed = is_installed
) -> Readiness:
    """Whether an entry of ``models.yaml`` opens, as far as that is known without sending anything.

    Args:
        named: The entry.
        settings: How it is asked.
        installed: Whether a module is installed.
    """
    spec, entry = named.spec, Readiness(named.name, "named", named.spec, ())
    provider, _, name = spec.partition("/")
    try:
        if name and provider in ("hf", "vllm"):
            _require_applicable(spec, provider, settings)
            return _in_process(entry, name, provider, installed)
        opened = open_model(spec, _unresolved(settings))
        if isinstance(opened, GuardModel):
            asyncio.run(opened.close())
            return _named_guard(entry, opened, name, installed)
    except VlsuError as error:
        return replace(entry, works=False, remedy=_why(error))
    asyncio.run(opened.close())
    return replace(entry, modalities=_ordered(opened.modalities))


def _named_guard(entry: Readiness, guard: GuardModel, name: str, installed: Installed) -> Readiness:
    """Of a guard that only judges answers, whether its server is named; of others what they grade.

    Raises:
        VlsuError: It grades content, but not as the entry has it.
    """
    grader, local = guard.grader, guard.base_url is None
    if grader is None:
        remedy = "name its server: base_url" if local else ""
        return replace(entry, works=not local, remedy=remedy)
    guard.require_grading(default_policy())
    entry = replace(entry, modalities=_ordered(grader.modalities))
    if not local or grader.wire == "moderations":
        return entry
    return _in_process(entry, name, "hf", installed)


def _unresolved(settings: Settings) -> Settings:
    """The settings with which no host name is resolved to see whether a key may go there."""
    return replace(settings, insecure_http=True)


def _in_process(entry: Readiness, name: str, extra: str, installed: Installed) -> Readiness:
    checked = _with_extra(entry.spec, entry.kind, entry.about, extra, installed, entry.modalities)
    folder = Path(name.partition(":")[2] or name).expanduser()
    if checked.works and folder.is_dir() and not (folder / "config.json").is_file():
        return replace(checked, works=False, remedy="the folder has no config.json")
    if (
        checked.works
        and not folder.exists()
        and not _HUB_NAME.fullmatch(name.partition(":")[2] or name)
    ):
        return replace(checked, works=False, remedy="there is no such folder")
    return checked


def _ordered(modalities: frozenset[str]) -> tuple[str, ...]:
    return tuple(each for each in MODALITIES if each in modalities)
