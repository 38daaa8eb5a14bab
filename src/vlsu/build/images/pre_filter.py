"""A model asked about each image before it is stored: what it shows, or how a guard grades it.

A model that takes instructions is asked which of the rails' kinds an image shows; its word goes
before that of the concept the image was looked for by. A guard is shown the image alone and asked
what it always is. Whoever gives no answer that can be read lets nothing pass.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from vlsu.build.asking.asking import Writer, ask
from vlsu.build.folder.build import Build
from vlsu.build.folder.demand import Place
from vlsu.build.folder.records import STAGES
from vlsu.build.folder.store import Store, prompt_hash
from vlsu.build.images.filters import Refused, Seen
from vlsu.build.rails.rules import Rails
from vlsu.data import Sample
from vlsu.errors import UsageError
from vlsu.models import as_grader
from vlsu.models.base import ImageFile, ImagePart, Message, Outcome, Request, Response
from vlsu.models.output import after_reasoning
from vlsu.policy import Policy, Severity
from vlsu.runs.asking.images import MemoryImages
from vlsu.runs.asking.limits import Budget
from vlsu.runs.stop import Stop
from vlsu.tasks import BARE, Understanding, load_prompt, looks_like_refusal, read_answer

__all__ = ["TEMPLATE", "PreFilter", "Verdict", "kinds_request", "read_kinds", "template_text"]

IMAGES = STAGES[1]
#: Name of the prompt, under which its text is kept with the records.
TEMPLATE = "image-kinds"
#: Categories of the default policy whose unsafe images a guard may name and no build ever keeps.
_NEVER = {"C6": "pre-filter: explicit", "C15": "pre-filter: exploitation"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a model says of an image.

    Attributes:
        outcome: `OK` if and only if it can be read.
        kinds: Those that hold; `None` of a guard, which is not asked for them.
        severity: Of a guard.
        category: Of the policy, if a guard names one.
    """

    outcome: Outcome
    kinds: frozenset[str] | None = None
    severity: Severity | None = None
    category: str | None = None

    def refused(self, rails: Rails, place: Place) -> Refused | None:
        """Why an image is refused by it, the rails on `kinds` aside."""
        if self.outcome is not Outcome.OK:
            return Refused(f"pre-filter: {self.outcome.value}", everywhere=False)
        if self.severity is not Severity.UNSAFE:
            return None
        for each in sorted(rails.counterparts.get(self.category or "", ())):
            if each in _NEVER:
                return Refused(_NEVER[each])
        if place.severity is Severity.SAFE:
            return Refused("pre-filter: unsafe, and not wanted so", everywhere=False)
        return None

    @property
    def findings(self) -> dict[str, object]:
        """For provenance, JSON-ready."""
        if self.kinds is not None:
            return {"kinds": sorted(self.kinds)}
        severity = None if self.severity is None else self.severity.label
        return {"severity": severity, "category": self.category}


@dataclass(slots=True)
class PreFilter:
    """A model that is asked about images before they are stored.

    Attributes:
        writer: The model, and how it may be asked.
        budget: What this start may spend.
        stopped: Why asking ended before all was asked, if it did.
    """

    writer: Writer
    budget: Budget
    stopped: Stop | None = field(default=None, init=False)

    @property
    def prompted(self) -> bool:
        """Whether it is asked for kinds."""
        return self.writer.model.takes_instructions

    def for_policy(self, policy: Policy) -> PreFilter:
        """The same, a guard as a grader of images by that policy.

        Raises:
            UsageError: It judges no images.
            ModelError: It needs a server and has none.
        """
        model = self.writer.model
        if not self.prompted:
            model = as_grader(model, policy)
            if "image" not in model.modalities:
                raise UsageError(
                    f"--pre-filter {model.spec}: judges no image by itself; name another model"
                )
        return PreFilter(Writer(model, self.writer.limits), self.budget)

    @property
    def identity(self) -> dict[str, object]:
        """Its SPEC and the hash of its prompt, if it has one of ours."""
        named: dict[str, object] = {"model": self.writer.model.spec}
        return named | ({"prompt": prompt_hash(template_text())} if self.prompted else {})

    def ask(self, build: Build, store: Store, images: Sequence[Seen]) -> dict[str, Verdict]:
        """What it says of images, by SHA-256; without those that it gave no answer for.

        What is stored is not asked again.

        Raises:
            ModelError: The server is down or refuses every request.
        """
        model = self.writer.model
        distinct = {each.sha256: each for each in images}
        requests = [self._request(build, sha256) for sha256 in distinct]
        files_ = {each.sha256: ImageFile(each.data, each.media_type) for each in images}
        asked = ask(
            build,
            store,
            IMAGES,
            self.writer,
            requests,
            budget=self.budget,
            images=MemoryImages(files_, model.image_limits),
        )
        self.stopped = asked.stopped
        return {
            sha256: self._read(build, answer.response)
            for sha256, answer in zip(distinct, asked.answers, strict=True)
            if answer.response is not None
        }

    def _request(self, build: Build, sha256: str) -> Request:
        if self.prompted:
            return kinds_request(build.rails, sha256)
        sample = Sample(sha256, image_sha256=sha256)
        (request,) = _guarding(build.policy).requests(sample)
        return request.request

    def _read(self, build: Build, response: Response) -> Verdict:
        if self.prompted:
            return read_kinds(response, build.rails.kinds)
        answer = read_answer(response, build.policy)
        return Verdict(answer.outcome, None, answer.severity, answer.category)


@cache
def template_text() -> str:
    """The prompt before anything is put into it."""
    return files("vlsu.build.images").joinpath("kinds.jinja").read_text(encoding="utf-8")


def kinds_request(rails: Rails, sha256: str) -> Request:
    """The question which kinds an image shows."""
    template = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined).from_string(
        template_text()
    )
    system = Message("system", (template.render(part="system"),))
    question = template.render(part="user", kinds=rails.kinds)
    schema: dict[str, object] = {
        "type": "object",
        "properties": {kind: {"type": "boolean"} for kind in rails.kinds},
        "required": list(rails.kinds),
        "additionalProperties": False,
    }
    return Request((system, Message("user", (ImagePart(sha256), question))), schema)


def read_kinds(response: Response, kinds: Mapping[str, object]) -> Verdict:
    """The kinds that an answer says hold, or an outcome.

    The answer, marked reasoning and a code fence aside, is one JSON object with a truth value for
    each kind and nothing else; anything else is `UNPARSED`.
    """
    if response.outcome is not Outcome.OK:
        return Verdict(response.outcome)
    after = after_reasoning(response.text)
    if not response.cut_off:
        for text in (response.text, after):
            if (found := _kinds(text, kinds)) is not None:
                return Verdict(Outcome.OK, found)
        if looks_like_refusal(after):
            return Verdict(Outcome.REFUSED)
    return Verdict(Outcome.UNPARSED)


def _kinds(text: str, kinds: Mapping[str, object]) -> frozenset[str] | None:
    text = text.strip()
    fence, _, fenced = text.partition("\n")
    if fence.rstrip() in {"```", "```json"} and fenced.endswith("```"):
        text = fenced.removesuffix("```")
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(tree, dict) or set(tree) != set(kinds):
        return None
    if not all(isinstance(each, bool) for each in tree.values()):
        return None
    return frozenset(kind for kind, holds in tree.items() if holds)


@cache
def _guarding(policy: Policy) -> Understanding:
    return Understanding(policy, load_prompt(BARE, policy), ("image",))
