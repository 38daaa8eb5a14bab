"""Prompts as Jinja templates with the policy rendered in.

A template is rendered with ``part`` set to ``system``, ``image``, ``text`` or ``joint``. The system
part sees the policy (``severities``, ``responses``, ``categories``, ``joint``, ``boundary``) and in
``modality`` what is graded, so that a text comes without the lines on images; the others see
``text`` and become the user's turn, after the image where there is one. Of each modality the system
part is the same in every request, and the image stands before the words, so that a server's prefix
cache serves them.

A template may put ``mark`` into the tags or lines around ``text``. It is empty, except for a text
that contains a tag ``<text>`` or a line next to it in the template: then it is ``-`` and a hash of
the text, so that the text cannot imitate its closing delimiter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import jinja2
from jinja2.nodes import (
    CallBlock,
    Const,
    Extends,
    FilterBlock,
    FromImport,
    Import,
    Include,
    Macro,
    Name,
    Output,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from vlsu._files import read_text
from vlsu.errors import UsageError
from vlsu.policy import MODALITIES, Policy
from vlsu.registry import did_you_mean
from vlsu.tasks.delimiters import contains_tag, content_marker

__all__ = [
    "BARE",
    "CHOICE",
    "CONTROLS",
    "DETAILS",
    "LIKELY",
    "MOST_LIKELY",
    "ONE_WORD",
    "PROMPTS",
    "Detail",
    "Prompt",
    "load_prompt",
    "prompt_source",
]

_FOLDER = Path(__file__).parent / "prompts"

#: The prompts of this package, the default first.
PROMPTS = ("zero-shot", "structured-cot")

#: The prompt of ``--score``: the answer is one of the policy's severities, and nothing else.
ONE_WORD = "one-word"
#: The prompt of typed questions, whose options are the severities.
CHOICE = "choice"

#: Prompts that differ from a prompt in one respect, to see what a result owes to it: without a word
#: on what image and text may do to each other, the pair before its parts, everything reversed.
CONTROLS = ("no-hint", "joint-first", "reversed")

#: Those that show the image after the words.
_IMAGE_LAST = frozenset({"reversed"})

#: What stands above the lines of the likely categories.
_LINES = "What the policy says of the harm categories that seem likely; another may fit better:"

#: Placeholder of the text when a template is analysed.
_MARK = "{\ue000text\ue000}"
#: Statements that may transform their content.
_TRANSFORMING = (CallBlock, Extends, FilterBlock, FromImport, Import, Macro)

#: The empty prompt for classifiers, which are given only the content.
BARE = "bare"
#: The first pass of the detail ``category``, and how many categories it may name.
LIKELY, MOST_LIKELY = "likely", 3
_BUNDLED = frozenset({*PROMPTS, *CONTROLS, ONE_WORD, CHOICE, BARE, LIKELY})

#: How much of the policy a prompt states: all of it; the severities, the names and meanings of the
#: categories and the rules, but not what is seen of each category; that of likely categories alone.
Detail = Literal["full", "brief", "category"]
DETAILS: tuple[Detail, ...] = get_args(Detail)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt with a policy rendered in.

    Attributes:
        systems: Modality -> the system part; empty where there is none.
        image_last: Whether the image follows the text.
        hash: SHA-256 over every rendered part, so any change of template or policy changes it.
        frames: Modality -> the parts around the text, for templates that only insert it: joining
            is ten times as fast as rendering.
        detail: How much of the policy the system part states.
        lines: Of the detail ``category``, modality -> category -> what is seen of it.
    """

    name: str
    systems: Mapping[str, str]
    hash: str
    template: jinja2.Template
    frames: Mapping[str, tuple[str, ...]]
    image_last: bool = False
    detail: Detail = "full"
    lines: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name, and how much of the policy it states unless that is all."""
        return self.name if self.detail == "full" else f"{self.name}, {self.detail}"

    def lines_of(self, modality: str, categories: Collection[str]) -> str:
        """What the policy says of these categories, in its order; empty for none of them."""
        listed = [text for id_, text in self.lines[modality].items() if id_ in categories]
        return "\n\n".join([_LINES, *listed]) if listed else ""

    def user(self, modality: str, text: str | None) -> str:
        """The text of the user's turn, after the image if there is one."""
        text = text or ""
        frame = self.frames.get(modality)
        mark = ""
        if contains_tag(text) or _contains_line(text, frame):
            mark = f"-{content_marker(text)}"
        elif frame is not None:
            return text.join(frame)
        return self.template.render(part=modality, text=text, mark=mark)


def _contains_line(text: str, frame: tuple[str, ...] | None) -> bool:
    """Whether a text contains a line next to it, which might be taken for its delimiter."""
    for line in _lines_around(frame):  # noqa: SIM110 (a generator would take twice as long)
        if line in text:
            return True
    return False


@lru_cache(maxsize=64)
def _lines_around(frame: tuple[str, ...] | None) -> frozenset[str]:
    """The lines directly before and after the text."""
    before = [part.rstrip().rpartition("\n")[2] for part in (frame or ())[:-1]]
    after = [part.lstrip().partition("\n")[0] for part in (frame or ())[1:]]
    return frozenset(line.strip() for line in (*before, *after)) - {""}


def load_prompt(name: str, policy: Policy, detail: Detail = "full") -> Prompt:
    """A prompt of this package by name, or a custom one by the path of its file.

    Args:
        name: Its name or path.
        policy: What is rendered in.
        detail: How much of it; the template sees it as ``detail``.

    Raises:
        UsageError: No such prompt or file, or the template is invalid; the message names the line.
            Or less of the policy is asked for, which changes nothing in this prompt.
    """
    if detail not in DETAILS:
        raise UsageError(f"--policy-detail {detail}: use {', '.join(DETAILS)}")
    environment = ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader(_FOLDER), undefined=jinja2.StrictUndefined, autoescape=False
    )
    try:
        template = environment.from_string(prompt_source(name))
        about = {**_policy_variables(policy), "detail": detail, "most": MOST_LIKELY}
        systems = {
            modality: template.render(
                part="system", modality=modality, text="", mark="", **about
            ).strip()
            for modality in MODALITIES
        }
        user = {part: template.render(part=part, text=_MARK, mark="") for part in MODALITIES}
        lines = _category_lines(environment, about) if detail == "category" else {}
    except jinja2.TemplateSyntaxError as error:
        raise UsageError(f"prompt {name}, line {error.lineno}: {error.message}") from None
    except jinja2.TemplateError as error:
        raise UsageError(f"prompt {name}: {error}") from None
    for part in ("text", "joint"):
        if _MARK not in user[part]:
            raise UsageError(f"prompt {name}: part {part!r} does not show {{{{ text }}}}")
    # A template that makes no difference between modalities has the hash it had before it could.
    one = len(set(systems.values())) == 1
    system: object = systems["joint"] if one else systems
    parts = {"system": system, **user, **({"lines": lines} if lines else {})}
    content = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    if detail != "full" and systems == load_prompt(name, policy).systems:
        raise UsageError(
            f"--policy-detail {detail}: prompt {name} states no lines of the categories that could "
            "be left out; leave it at full"
        )
    return Prompt(
        name=name if name in _BUNDLED else Path(name).name,
        systems=systems,
        hash=hashlib.sha256(content.encode()).hexdigest(),
        template=template,
        frames=_split(user)
        if name in _BUNDLED or _only_inserts(environment, prompt_source(name))
        else {},
        image_last=name in _IMAGE_LAST,
        detail=detail,
        lines=lines,
    )


def _category_lines(
    environment: jinja2.Environment, about: Mapping[str, Any]
) -> dict[str, dict[str, str]]:
    """Modality -> category -> what the policy says of it, under its name."""
    template = environment.get_template("category.jinja")
    return {
        modality: {
            each["id"]: f"## {each['id']}: {each['name']}\n"
            + template.render(modality=modality, category=each).strip()
            for each in about["categories"]
        }
        for modality in MODALITIES
    }


def _split(user: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The parts around the text, by modality."""
    return {part: tuple(rendered.split(_MARK)) for part, rendered in user.items()}


def _only_inserts(environment: jinja2.Environment, source: str) -> bool:
    """Whether a template does nothing with the text but to insert it, as those of this package."""
    sources = [source]
    for text in sources:  # grows by included templates
        tree = environment.parse(text)
        shown = {id(node) for output in tree.find_all(Output) for node in output.nodes}
        named = [node for node in tree.find_all(Name) if node.name == "text"]
        if any(id(node) not in shown or node.ctx != "load" for node in named):
            return False
        if any(tree.find_all(_TRANSFORMING)):
            return False
        for include in tree.find_all(Include):
            if not isinstance(include.template, Const) or environment.loader is None:
                return False
            included, *_ = environment.loader.get_source(environment, include.template.value)
            sources.append(included)
    return True


def prompt_source(name: str) -> str:
    """The template's text.

    Raises:
        UsageError: Neither a prompt of this package nor a file.
    """
    path = _FOLDER / f"{name}.jinja" if name in _BUNDLED else Path(name)
    try:
        return read_text(path, encoding="utf-8")
    except FileNotFoundError:
        hint = did_you_mean(name, [*PROMPTS, ONE_WORD, CHOICE, *CONTROLS])
        raise UsageError(f"no prompt and no file is called {name!r}; {hint}") from None
    except UnicodeDecodeError:
        raise UsageError(f"prompt {name}: not UTF-8; save the file as such") from None
    except OSError as error:
        raise UsageError(f"prompt {name}: cannot be read ({error.strerror})") from None


def _policy_variables(policy: Policy) -> dict[str, object]:
    return {
        "severities": {s.label: text for s, text in policy.severities.items()},
        "responses": {s.label: text for s, text in policy.responses.items()},
        "categories": [
            {
                "id": category.id,
                "name": category.name,
                "description": category.description,
                "severities": {s.label: seen for s, seen in category.severities.items()},
            }
            for category in policy.categories
        ],
        "joint": policy.joint,
        "boundary": policy.boundary,
    }
