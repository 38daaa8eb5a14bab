"""A guard as a grader of content: one request of the task, one or several questions of its own."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from vlsu.models.base import (
    TOKEN_COUNTS,
    Fault,
    GuardPolicy,
    ImageSource,
    Model,
    Outcome,
    Raw,
    Request,
    Response,
    Settings,
)
from vlsu.models.bodies.json_bodies import parse_json
from vlsu.models.guards.grading.asking import (
    category_of,
    content_of,
    question_bytes,
    questions,
    questions_hash,
)
from vlsu.models.guards.grading.base import Answer, ContentFamily, ContentVerdict
from vlsu.models.guards.grading.transports import (
    answer_of,
    asked_settings,
    image_limits_of,
    is_remote,
    open_transport,
    sampling_of,
)
from vlsu.models.http.model import is_answer
from vlsu.policy import Policy, Severity

__all__ = ["ContentGuard"]

#: A bound on the output from which it has room for reasoning.
REASONING_TOKENS = 2048


class ContentGuard:
    """A guard that grades an image, a text or a pair; it reads no instructions.

    A request is the bare content. Each question of the family is sent in turn, never two at once,
    so that concurrency is what the user set; latency is their sum. The raw bodies are stored
    together, so that a later version can read them again.

    Args:
        name: Its name on the server, or on the hub.
        family: What it is asked, and how its output is parsed.
        policy: The run's policy, whose categories its own are mapped to.
        settings: How it is asked.
        guard_policy: Whose question `family` asks, for the record.
        inner: What answers one question; a server or a model in this process, as the settings
            have it, if not given.

    Raises:
        ModelError: It needs a server and has none, or cannot run in this process.
    """

    takes_instructions = False

    def __init__(
        self,
        name: str,
        family: ContentFamily,
        policy: Policy,
        settings: Settings,
        guard_policy: GuardPolicy = "own",
        inner: Model | None = None,
    ) -> None:
        self.spec = f"guard/{family.name}:{name}"
        self.family = family
        self.modalities = family.modalities
        #: Who says that it judges these.
        self.modalities_source = family.source
        self.languages = family.languages
        #: Where it is asked, which a file of the user's may say.
        self.base_url = settings.base_url
        # A policy of two severities has none between them: what a guard calls controversial is
        # then unsafe.
        levels = tuple(sorted({_within(policy, level) for level in family.levels}))
        #: The severities that it can give, where those are not all.
        self.levels = None if len(levels) == len(Severity) else levels
        self._policy = policy
        asked = asked_settings(family, settings)
        self._inner = inner or open_transport(self.spec, name, family, asked)
        self.image_limits = image_limits_of(family, self._inner)
        self._identity = {
            **self._where(name, settings),
            "format": f"guard, {family.wire}",
            "family": family.name,
            "guard_policy": guard_policy,
            "questions": questions_hash(family),
            "params": dict(settings.params),
        }

    def _where(self, name: str, settings: Settings) -> dict[str, object]:
        """The part of the identity that differs between a server and this process.

        Weights in this process are identified by their content, wherever they lie.
        """
        if not is_remote(self.family, settings):
            return {
                "spec": f"guard/{self.family.name}",
                "in_process": dict(self._inner.identity()),
            }
        limits = self.image_limits
        return {
            "spec": self.spec,
            "model": name,
            "sampling": sampling_of(self.family, name, asked_settings(self.family, settings)),
            **({} if limits is None else {"images": limits.identity()}),
        }

    @property
    def destination(self) -> str | None:
        """Where requests go, and whether with a key; `None` for a model in this process."""
        return getattr(self._inner, "destination", None)

    def identity(self) -> Mapping[str, object]:
        """The family, its questions' hash and every setting that could change an answer.

        How outputs are parsed is no part of it: another version reads the stored ones again.
        """
        return self._identity

    @property
    def reasons(self) -> bool:
        """Whether it reasons before its verdict, by the length that its output may have."""
        return self.family.max_tokens >= REASONING_TOKENS

    def question_bytes(self, modality: str) -> tuple[int, ...]:
        """UTF-8 bytes of each question that a request of a modality comes to, without content."""
        return question_bytes(self.family, modality)

    async def send(self, request: Request, images: ImageSource) -> Raw:
        """Ask each question; the first that is not answered is returned as it came."""
        raws: list[Raw] = []
        listed = questions(self.family, content_of(request))
        for question in listed:
            asked = Request(question.messages, draw=request.draw, params=question.params)
            raw = await self._inner.send(asked, images)
            if not is_answer(raw.status):
                return raw
            raws.append(raw)
            if len(raws) < len(listed) and self._inner.read(raw).outcome is Outcome.ERROR:
                break  # a fault of one is the fault of all
        pauses = [raw.pause_s for raw in raws if raw.pause_s is not None]
        return Raw(
            200,
            orjson.dumps({"answers": [_stored(raw.body) for raw in raws]}),
            latency_s=sum(raw.latency_s for raw in raws),
            retry_after=raws[-1].retry_after,
            pause_s=max(pauses, default=None),
        )

    def read(self, raw: Raw) -> Response:
        """The task's JSON with the verdict, or what became of the first question without answer."""
        if raw.status != 200:
            return self._with_logprobs_hint(self._inner.read(raw))
        bodies = _bodies(raw.body)
        if bodies is None:
            why = "the stored answer is not one of a guard"
            return Response(Outcome.ERROR, fault=Fault("malformed", why, retry=True))
        read = [answer_of(self._inner, Raw(200, body)) for body in bodies]
        responses = [response for response, _ in read]
        tokens: dict[str, Any] = {
            name: _total([getattr(each, name) for each in responses]) for name in TOKEN_COUNTS
        }
        for response in responses:
            failed = response.outcome not in (Outcome.OK, Outcome.UNPARSED)
            if failed or not self._is_whole(response):
                outcome = response.outcome if failed else Outcome.UNPARSED
                return response._replace(outcome=outcome, p_unsafe=None, **tokens)
        answers = [answer for _, answer in read]
        verdict = self.family.read(answers)
        printed = "\n\n".join(response.text for response in responses)
        reasoning = "\n\n".join(filter(None, (response.reasoning for response in responses)))
        base = Response(
            Outcome.UNPARSED,
            printed,
            reasoning,
            responses[-1].finish_reason,
            **tokens,
        )
        if verdict is None:
            return base
        return self._answer(base, verdict, self._p_unsafe(verdict, answers))

    def _is_whole(self, response: Response) -> bool:
        """Whether an output ended by itself, or is the one token that was asked for."""
        if response.outcome is not Outcome.OK:
            return self._scores_only
        at_limit = response.finish_reason in ("length", "max_tokens")
        return (at_limit and self.family.max_tokens == 1) or not response.cut_off

    @property
    def _scores_only(self) -> bool:
        return self.family.wire in ("moderations", "in-process")

    def _p_unsafe(self, verdict: ContentVerdict, answers: Sequence[Answer]) -> float | None:
        """The probability of unsafe; with that of borderline where the policy has no such level."""
        p_not_safe = self.family.p_not_safe
        if p_not_safe is None or Severity.BORDERLINE in self._policy.severities:
            return verdict.p_unsafe
        return p_not_safe(answers)

    def _answer(self, base: Response, verdict: ContentVerdict, p_unsafe: float | None) -> Response:
        category = None
        if verdict.severity is not Severity.SAFE:
            category = category_of(self._policy, self.family, verdict.categories)
        severity = _within(self._policy, verdict.severity)
        text = orjson.dumps({"severity": severity.label, "category": category}).decode()
        return base._replace(outcome=Outcome.OK, text=text, p_unsafe=p_unsafe)

    def _with_logprobs_hint(self, response: Response) -> Response:
        """A server that refuses token probabilities refuses every request: say what to do, once."""
        fault = response.fault
        if fault is None or fault.retry or "logprob" not in fault.message.lower():
            return response
        name = "logprobs" if self.family.wire == "completions" else "top_logprobs"
        without = "" if self.family.needs_logprobs else "--no-logprobs, or "
        line = (
            f"{fault.message} (the server gives no token probabilities, or fewer alternatives; add "
            f"{without}--param {name}=5)"
        )
        return response._replace(fault=Fault("logprobs", line, fatal=True))

    async def close(self) -> None:
        """Free connections and threads."""
        await self._inner.close()


def _within(policy: Policy, severity: Severity) -> Severity:
    return severity if severity in policy.severities else Severity.UNSAFE


def _total(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _stored(body: bytes) -> object:
    """A body as JSON: its text, or its base64 where it is no UTF-8."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _bodies(stored: bytes) -> list[bytes] | None:
    """The bodies in a stored answer; `None` if it is none."""
    tree = parse_json(stored)
    answers = tree.get("answers") if isinstance(tree, dict) else None
    if not isinstance(answers, list) or not answers:
        return None
    bodies = []
    for answer in answers:
        encoded = answer.get("base64") if isinstance(answer, dict) else None
        if isinstance(answer, str):
            bodies.append(answer.encode())
        elif isinstance(encoded, str):
            try:
                bodies.append(base64.b64decode(encoded, validate=True))
            except binascii.Error:
                return None
        else:
            return None
    return bodies
