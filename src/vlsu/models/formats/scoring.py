"""Scoring through chat completions: the most probable of the policy's severities, in one token.

The server generates at most `MAX_TOKENS` tokens and lists the alternatives to each
(``logprobs``, ``top_logprobs``). Those that begin a severity, at the first token that is more than
blanks or quotation marks, give the severities' probabilities; the rest of the answer is not needed.

Documented are log probabilities by OpenAI (``CreateChatCompletionRequest``: up to 20 alternatives;
none with reasoning), Azure, vLLM (``--max-logprobs``, 20 by default), SGLang, llama.cpp (before
sampling) and OpenRouter, where a provider may leave them out. Anthropic has none, and the Gemini
API refuses them for its current models ("Logprobs is not enabled for ...").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from vlsu.models.base import (
    Fault,
    ImageSource,
    Outcome,
    Raw,
    Request,
    Response,
    Settings,
    answerable_severities,
)
from vlsu.models.bodies.error_bodies import parse_error_body
from vlsu.models.formats.completion_answers import (
    AlternativesAt,
    error_response,
    read_completion,
    token_alternatives,
)
from vlsu.models.formats.logprobs import begins_label, is_filler, label_probabilities
from vlsu.models.formats.wire import Tree, decode_body
from vlsu.models.http.model import HttpModel, is_answer
from vlsu.policy.severity import SEVERITY_CODES

__all__ = [
    "ALTERNATIVES",
    "MAX_TOKENS",
    "ScoredModel",
    "decode_scored",
    "most_probable",
    "scored_settings",
]

#: Alternatives requested to each token: as many as OpenAI and vLLM allow.
ALTERNATIVES = 20
#: Tokens generated: a blank or a line end that some templates leave to the model, and the label.
MAX_TOKENS = 2
#: Alternatives of a token below which a server has left out what was requested.
_FEWEST = 2
_ALL = tuple(SEVERITY_CODES)
#: Begins a stored body of a policy without all severities; a body of JSON never begins so.
_MARK = b"labels:"


def scored_settings(settings: Settings, *, reasoning: bool = False) -> Settings:
    """The settings under which a model is asked for one token with its alternatives.

    Args:
        settings: As the user gave them; parameters of theirs go before these.
        reasoning: Whether the model is one that reasons unless it is told not to, and by default
            takes neither a temperature nor log probabilities.
    """
    params: dict[str, object] = {"top_logprobs": ALTERNATIVES}
    if reasoning:
        params |= {"logprobs": True, "temperature": 0, "max_completion_tokens": MAX_TOKENS}
    return replace(
        settings,
        max_tokens=MAX_TOKENS,
        logprobs=not reasoning,
        structured="off",
        params={**params, **settings.params},
    )


def decode_scored(status: int, body: bytes) -> Response:
    """The severity and its probability; what is no completion is as it is without scoring.

    A server that gives no token probabilities gives none of any request: that is fatal.

    Args:
        status: HTTP status.
        body: The response's, with its labels in front where they are not all severities.
    """
    labels, body = _split(body)
    if is_answer(status):
        return decode_body(status, body, partial(_read_scored, labels=labels))
    response = error_response(status, parse_error_body(body))
    fault = response.fault
    if fault is None or fault.retry or "logprob" not in fault.message.lower():
        return response
    return _no_probabilities(f"{fault.message}: ")


class ScoredModel(HttpModel):
    """A model whose responses are read with the labels of their requests.

    They are stored in front of a body where they are not all severities.
    """

    async def send(self, request: Request, images: ImageSource) -> Raw:
        """Post one request; see `HttpModel.send`."""
        raw = await super().send(request, images)
        labels = answerable_severities(request)
        if labels == _ALL or not is_answer(raw.status):
            return raw
        return raw._replace(body=b"%b %b\n%b" % (_MARK, " ".join(labels).encode(), raw.body))


def _split(body: bytes) -> tuple[tuple[str, ...], bytes]:
    """The labels of a stored body, and the body."""
    if not body.startswith(_MARK):
        return _ALL, body
    line, _, rest = body.partition(b"\n")
    known = line.removeprefix(_MARK).decode(errors="replace").split()
    return tuple(label for label in _ALL if label in known), rest


def _read_scored(tree: Tree, labels: Sequence[str]) -> Response:
    response = read_completion(tree)
    aborted = response.outcome is Outcome.UNPARSED and response.text.strip()
    if aborted or response.outcome not in (Outcome.OK, Outcome.UNPARSED):
        return response
    unparsed = response._replace(outcome=Outcome.UNPARSED, cut_off=False, p_unsafe=None)
    tokens, alternatives_at = token_alternatives(tree)
    if not tokens:
        return _no_probabilities() if response.text.strip() else unparsed
    alternatives = _deciding(tokens, alternatives_at, labels, response.text, response.reasoning)
    if alternatives is not None and len(alternatives) < _FEWEST:
        return _no_probabilities()
    found = _likeliest(alternatives, labels)
    if found is None:
        return unparsed
    label, probabilities = found
    p_unsafe = probabilities.get("unsafe")
    return unparsed._replace(outcome=Outcome.OK, text=label, reasoning="", p_unsafe=p_unsafe)


def most_probable(
    tokens: Sequence[bytes], alternatives_at: AlternativesAt, labels: Sequence[str], text: str
) -> tuple[str, Mapping[str, float]] | None:
    """The most probable label at the beginning of an answer, and the probability of each.

    Args:
        tokens: The answer's tokens.
        alternatives_at: The alternatives to one of them by its index, itself included.
        labels: The severities to score.
        text: The answer.

    Returns:
        `None` where no label is among the alternatives to the first token that is more than what
        may stand before one, or reasoning comes first.
    """
    return _likeliest(_deciding(tokens, alternatives_at, labels, text), labels)


def _deciding(
    tokens: Sequence[bytes],
    alternatives_at: AlternativesAt,
    labels: Sequence[str],
    text: str,
    reasoning: str = "",
) -> Mapping[bytes, float] | None:
    """The alternatives to the token that decides; `None` if there is none."""
    place = next((n for n, token in enumerate(tokens) if not is_filler(token)), None)
    from vlsu.models.output import after_reasoning

    reasons = bool(reasoning or (text and not after_reasoning(text)))
    if place is None or (reasons and not begins_label(tokens[place], labels)):
        return None  # what comes first is not the answer
    return dict(alternatives_at(place))


def _likeliest(
    alternatives: Mapping[bytes, float] | None, labels: Sequence[str]
) -> tuple[str, Mapping[str, float]] | None:
    """The most probable label, of equally probable ones the graver, and all probabilities."""
    if alternatives is None:
        return None
    probabilities = label_probabilities(alternatives.items(), labels)
    if probabilities is None:
        return None
    return max(reversed(labels), key=probabilities.__getitem__), probabilities


def _no_probabilities(prefix: str = "") -> Response:
    line = (
        f"{prefix}the server gives no alternatives to a token with their log probabilities, which "
        "--score needs; leave it out, try --param top_logprobs=5 where 20 are too many, or ask "
        "transformers serve as systemone/NAME"
    )
    return Response(Outcome.ERROR, fault=Fault("logprobs", line, fatal=True))
