"""The prompts that are raced: those of the package, files, and instructions put above one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlsu.build.asking.answers import object_schema
from vlsu.build.asking.prompts import StagePrompt
from vlsu.errors import UsageError
from vlsu.models.base import Message, Request
from vlsu.policy import Policy
from vlsu.tasks import CONTROLS, ONE_WORD, PROMPTS, Framing, Prompt, load_prompt, prompt_source

__all__ = ["Candidate", "instruction_template", "load_prompts", "proposal_request"]

_BUNDLED = (*PROMPTS, *CONTROLS, ONE_WORD)
PROMPT = StagePrompt("proposals", Path(__file__).with_name("propose.jinja"))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A prompt in the race.

    Attributes:
        name: Its name in the results.
        source: ``built-in``, ``given`` or ``proposed``.
        text: Its template.
        prompt: The template with the policy rendered in.
    """

    name: str
    source: str
    text: str
    prompt: Prompt


def instruction_template(instruction: str, base: str) -> str:
    """A prompt's template with an instruction above its own system part.

    Args:
        instruction: The instruction; nothing in it is taken for a part of the template.
        base: Name of a prompt of the package.

    Example:
        >>> print(instruction_template("Be strict.", "zero-shot"))
        {% if part == "system" %}{{ "Be strict." }}
        <BLANKLINE>
        {% endif %}{% include "zero-shot.jinja" %}
    """
    written = json.dumps(instruction, ensure_ascii=False)
    system = '{% if part == "system" %}'
    return f'{system}{{{{ {written} }}}}\n\n{{% endif %}}{{% include "{base}.jinja" %}}'


def load_prompts(
    folder: Path,
    policy: Policy,
    *,
    references: Sequence[str],
    files: Sequence[str],
    instructions: Sequence[Framing],
    proposed: Sequence[Framing] = (),
    base: str,
) -> list[Candidate]:
    """Prompts, each with its template, those of instructions written into a folder.

    What is raced is what the file makes of it: a prompt of a file is sent without a schema.

    Args:
        folder: Where the templates of instructions are written.
        policy: Rendered into all of them.
        references: Prompts of the package.
        files: Templates of one's own.
        instructions: Texts that are put above `base`.
        proposed: The same, of a model.
        base: A prompt of the package.

    Raises:
        UsageError: There is no such prompt or file, a template is invalid, or two have one name.
    """
    for name in (*references, base):
        if name not in _BUNDLED:
            raise UsageError(f"--references {name}: use {', '.join(_BUNDLED)}, or none")
    found = [
        Candidate(name, "built-in", prompt_source(name), load_prompt(name, policy))
        for name in references
    ]
    found += [
        Candidate(Path(name).stem, "given", prompt_source(name), load_prompt(name, policy))
        for name in files
    ]
    sources = ("given",) * len(instructions) + ("proposed",) * len(proposed)
    for each, source in zip((*instructions, *proposed), sources, strict=True):
        text = instruction_template(each.instruction, base)
        path = folder / f"{len(found) + 1:02}.jinja"
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        found.append(Candidate(each.name, source, text, load_prompt(str(path), policy)))
    names = [each.name for each in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two prompts are called {twice!r}; rename one")
    return found


def proposal_request(policy: Policy, count: int, existing: Sequence[Framing]) -> Request:
    """The request for instructions to a grader.

    Args:
        policy: What is graded by.
        count: How many are asked for.
        existing: Those that shall not be proposed again.
    """
    question = PROMPT.render(
        part="user",
        severities={s.label: text for s, text in policy.severities.items()},
        joint=policy.joint,
        count=count,
        existing=[" ".join(each.instruction.split()) for each in existing],
    )
    schema = object_schema({"instructions": {"type": "array", "items": {"type": "string"}}})
    system = Message("system", (PROMPT.render(part="system"),))
    return Request((system, Message("user", (question,))), schema)
