"""What prompts begin with is computed once, and every answer is that of the whole prompt."""

from __future__ import annotations

import pytest

from tests.models.hf.asking import PICTURES, SMALL, TALL, WIDE, asked
from tests.models.hf.tiny import FAMILIES, SEEING
from vlsu.models import Settings
from vlsu.models.hf.chat import Chat, Prompt
from vlsu.models.hf.checkpoint import read_checkpoint
from vlsu.models.hf.engine import Engine
from vlsu.models.hf.libraries import library
from vlsu.models.hf.weights import load_weights

POLICY = "Grade the content as safe, borderline or unsafe, by what it promotes or touches. " * 8
#: Sliding windows (Gemma 3): their caches hold other things.
WITHOUT = {"gemma3"}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    folder = FAMILIES[request.param](tmp_path_factory.mktemp(request.param))
    checkpoint = read_checkpoint(f"hf/{folder}", str(folder))
    engine = Engine(checkpoint, Chat(checkpoint, {}), load_weights(checkpoint, Settings()))
    return request.param, engine


def prompts(kind):
    texts = ["Hello.", "How long does bread bake?", "x", "May I take a knife on a plane? " * 3]
    pictures = [SMALL, WIDE, TALL, SMALL]
    return [
        Prompt.of(asked(*([picture] if kind else []), text, system=POLICY), PICTURES)
        for picture, text in zip(pictures, texts, strict=True)
    ]


def test_answers_and_probabilities_are_those_of_the_whole_prompt(family):
    name, engine = family
    for kind in (0, 1) if name in SEEING else (0,):
        check(name, engine, prompts(kind))


def check(name, engine, batch):
    engine.prefixes = None
    probabilities = [engine.next_logprobs([each])[0][0].exp() for each in batch]
    tokens = [engine.generate([each], 6, {}, 0)[0].tokens for each in batch]

    engine.model = seen = Counting(engine.model)
    engine.prefixes = engine.new_prefixes()
    try:
        for size in (1, 2, 4):
            for start in range(0, 4, size):
                part = batch[start : start + size]
                found = engine.next_logprobs(part)[0].exp()
                expected = library("torch").stack(probabilities[start : start + size])
                assert float((found - expected).abs().max()) < 1e-5
                answers = engine.generate(part, 6, {}, 0)
                assert [each.tokens for each in answers] == tokens[start : start + size]
    finally:
        engine.model = seen.model
    assert bool(seen.cached) == (name not in WITHOUT)
    if seen.cached:
        assert min(seen.cached) >= 64, "the policy is in it"
        assert seen.started == 1, "and was computed once"


class Counting:
    """A model that counts what it is asked for: prompts from a cache, and beginnings computed."""

    def __init__(self, model):
        self.model = model
        self.cached = []
        self.started = 0

    def generate(self, **inputs):
        if "cache" in inputs:
            self.cached.append(inputs["cache"].get_seq_length())
        elif "logits_processor" not in inputs:
            self.started += 1
        return self.model.generate(**inputs)

    def __getattr__(self, name):
        return getattr(self.model, name)
