"""From tokens and probabilities to answers as `vlsu.models.inprocess.InProcessModel` takes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.models.base import answerable_severities
from vlsu.models.formats.logprobs import locate_severity, unsafe_probability
from vlsu.models.hf.chat import Prompt
from vlsu.models.hf.engine import Engine, Generated
from vlsu.models.hf.labels import label_tokens
from vlsu.policy.severity import Severity

__all__ = ["TOP", "NoProbabilitiesError", "generated_answer", "scored_answers"]

#: Alternatives to each token that an answer with log probabilities lists, as OpenAI's at most.
TOP = 20


class NoProbabilitiesError(Exception):
    """The model's numbers overflowed: there is no verdict."""


def generated_answer(engine: Engine, generated: Generated) -> Mapping[str, object]:
    """A generated answer, with the log probabilities of its tokens if it has them.

    ``logprobs`` has the shape of a chat completion's: ``content``, a list of tokens with
    ``bytes``, ``logprob`` and ``top_logprobs``.
    """
    text = engine.text(generated.tokens)
    answer: dict[str, object] = {
        "text": text,
        "finish_reason": "stop" if generated.ended else "length",
        "input_tokens": len(generated.prompt),
        "output_tokens": len(generated.tokens),
    }
    if generated.logprobs is None:
        return answer
    content = _token_steps(engine, generated)
    place = locate_severity([bytes(step["bytes"]) for step in content], text)
    if place is not None:
        alternatives = [
            (bytes(each["bytes"]), each["logprob"]) for each in content[place.token]["top_logprobs"]
        ]
        answer["p_unsafe"] = unsafe_probability(alternatives, place.lead)
    return {**answer, "logprobs": {"content": content}}


def _token_steps(engine: Engine, generated: Generated) -> list[dict[str, Any]]:
    steps = []
    for index, token in enumerate(generated.tokens):
        before = generated.tokens[max(0, index - 4) : index]
        known = engine.text(before)
        values, ids = generated.logprobs[index].topk(min(TOP, generated.logprobs.shape[-1]))
        top = [
            _step(engine.text([*before, other]).removeprefix(known), value)
            for other, value in zip(ids.tolist(), values.tolist(), strict=True)
        ]
        own = engine.text([*before, token]).removeprefix(known)
        chosen = _step(own, float(generated.logprobs[index][token]))
        steps.append({**chosen, "top_logprobs": top})
    return steps


def _step(text: str, logprob: float) -> dict[str, Any]:
    finite = max(logprob, -9999.0)  # JSON has no infinity; OpenAI writes this number too
    return {"token": text, "bytes": list(text.encode()), "logprob": finite}


def scored_answers(engine: Engine, prompts: Sequence[Prompt]) -> list[Mapping[str, object]]:
    """The most probable severity after each prompt, and the probabilities of all of them.

    One forward pass if the tokenizer begins each label differently: a label's probability is that
    of the tokens that begin it. Else one for each label and token: a label's probability is that of
    all of its tokens in turn. Both are relative to the labels' sum; ``label_mass`` is the sum.
    Of labels that are equally probable, the graver is the answer.

    Raises:
        NoProbabilitiesError: The model's output is not finite.
    """
    kinds = {answerable_severities(prompt.request) for prompt in prompts}
    if len(kinds) > 1:
        return [answer for prompt in prompts for answer in scored_answers(engine, [prompt])]
    labels = next(iter(kinds))
    tokens = label_tokens(engine.checkpoint.tokenizer, labels)
    logprobs, lengths = engine.next_logprobs(prompts)
    if tokens.whole is None:
        masses = [[_sum(row, ids) for ids in tokens.first] for row in logprobs]
    else:
        columns = [_whole(engine, prompts, ids) for ids in tokens.whole]
        masses = [list(row) for row in zip(*columns, strict=True)]
    return [_scored(labels, mass, length) for mass, length in zip(masses, lengths, strict=True)]


def _sum(row: Any, ids: Sequence[int]) -> float:
    """Logarithm of the summed probabilities of tokens."""
    return float(row[list(ids)].logsumexp(0))


def _whole(engine: Engine, prompts: Sequence[Prompt], ids: Sequence[int]) -> list[float]:
    """Logarithm of the probability of a sequence of tokens after each prompt."""
    steps = engine.forced_logprobs(prompts, ids)
    each = [steps[:, index, token] for index, token in enumerate(ids)]
    return [float(value) for value in sum(each)]


def _scored(labels: Sequence[str], logs: Sequence[float], length: int) -> Mapping[str, object]:
    highest = max(logs)
    if not math.isfinite(highest) or any(map(math.isnan, logs)):
        raise NoProbabilitiesError(
            "its output has no probabilities of the severities (NaN or infinity); a --dtype of "
            "bfloat16 or float32 may help"
        )
    weights = [math.exp(value - highest) for value in logs]
    probabilities = {
        label: weight / sum(weights) for label, weight in zip(labels, weights, strict=True)
    }
    return {
        "text": max(reversed(labels), key=lambda label: probabilities[label]),
        "input_tokens": length,
        "output_tokens": 0,
        "p_unsafe": probabilities.get(Severity.UNSAFE.label),
        "probabilities": probabilities,
        "label_mass": math.exp(highest) * sum(weights),
    }
