"""Batches: of one kind, near in size, halved when memory runs out, and checked before the first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models.hf.asking import SMALL, TALL, answers, asked
from tests.models.hf.tiny import idefics3, qwen3_text
from vlsu.errors import MachineError
from vlsu.models import Settings
from vlsu.models.hf.batches import Batches
from vlsu.models.hf.checkpoint import read_checkpoint
from vlsu.models.hf.libraries import library
from vlsu.models.hf.provider import OpenModel
from vlsu.models.hf.weights import load_weights
from vlsu.models.inprocess import InProcessModel

items = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9)), max_size=30)


def shape(item: tuple[int, int]) -> tuple[int, int]:
    return item


@given(items, st.integers(1, 9), st.integers(1, 9))
def test_every_item_has_its_own_result_whatever_fits(listed, limit, fits):
    """Batches above `fits` run out of memory; no batch mixes kinds or exceeds the limit."""
    seen = []

    def work(batch: list[tuple[int, int]]) -> list[tuple[int, int]]:
        if len(batch) > fits:
            raise MemoryError
        seen.append(batch)
        return [(kind, size + 100) for kind, size in batch]

    results = Batches(limit, lambda error: isinstance(error, MemoryError)).run(listed, shape, work)
    assert results == [(kind, size + 100) for kind, size in listed]
    assert all(len(batch) <= min(limit, fits) for batch in seen)
    assert all(len({kind for kind, _ in batch}) == 1 for batch in seen)
    sizes = [size for batch in seen for kind, size in batch if kind == 0]
    assert sizes == sorted(sizes), "near sizes share a batch"


def test_a_batch_that_was_too_large_is_not_tried_again():
    tried = []

    def work(batch: list[tuple[int, int]]) -> list[tuple[int, int]]:
        tried.append(len(batch))
        if len(batch) > 2:
            raise MemoryError
        return batch

    batches = Batches(8, lambda error: isinstance(error, MemoryError))
    batches.run([(0, size) for size in range(8)], shape, work)
    batches.run([(0, size) for size in range(8)], shape, work)
    assert tried == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2]


class Wrapped:
    """A loaded model whose `generate` is another."""

    def __init__(self, model, generate):
        self.model = model
        self.generate = lambda **inputs: generate(model, **inputs)

    def __getattr__(self, name):
        return getattr(self.model, name)


def told(caplog) -> list[str]:
    """What was logged, but for that these models would rather say something else."""
    messages = [record.getMessage() for record in caplog.records]
    return [message for message in messages if "label_mass" not in message]


def model_of(folder, generate, *, score=True, max_batch=4):
    def load(checkpoint, settings):
        return Wrapped(load_weights(checkpoint, settings), generate)

    settings = Settings(score=score, max_batch=max_batch)
    answerer = OpenModel(read_checkpoint("hf/tiny", str(folder)), settings, load)
    return InProcessModel("hf/tiny", answerer, batch_size=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return qwen3_text(tmp_path_factory.mktemp("text"))


REQUESTS = [asked("Hello. " * n) for n in range(1, 6)]


def plain(model, **inputs):
    return model.generate(**inputs)


def test_out_of_memory_halves_the_batch_and_changes_no_answer(folder, caplog):
    def generate(model, **inputs):
        if len(inputs["input_ids"]) > 3:
            raise library("torch").OutOfMemoryError("CUDA out of memory.")
        return model.generate(**inputs)

    expected = [each.p_unsafe for each in answers(model_of(folder, plain), REQUESTS)]
    halved = answers(model_of(folder, generate, max_batch=16), REQUESTS)
    assert [each.p_unsafe for each in halved] == pytest.approx(expected, abs=1e-5)
    assert told(caplog) == ["out of memory with 5 requests at once; going on with 2"]


def test_out_of_memory_with_one_request_is_a_fault_of_that_request(folder):
    def generate(model, **inputs):
        if inputs["input_ids"].shape[1] > 60:
            raise library("torch").OutOfMemoryError("CUDA out of memory.")
        return model.generate(**inputs)

    requests = [asked("Hello."), asked("Hello. " * 60)]
    first, second = answers(model_of(folder, generate, max_batch=1), requests)
    assert first.fault is None
    assert second.fault is not None
    assert second.fault.message == "in-process: OutOfMemoryError: CUDA out of memory."


def test_no_memory_on_this_machine_stops_the_run(folder):
    def generate(model, **inputs):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(MachineError, match="there is no memory left"):
        answers(model_of(folder, generate, max_batch=1), [REQUESTS[0]])


def test_a_model_that_answers_otherwise_in_a_batch_is_asked_one_by_one(folder, caplog):
    """One that attends to the padding, as a model without an attention mask would."""
    sizes = []

    def generate(model, **inputs):
        sizes.append(len(inputs["input_ids"]))
        inputs["attention_mask"] = inputs["attention_mask"] * 0 + 1
        return model.generate(**inputs)

    alone = answers(model_of(folder, generate, max_batch=1), REQUESTS)
    sizes.clear()
    assert answers(model_of(folder, generate), REQUESTS) == alone
    [message] = told(caplog)
    assert message.startswith("hf/tiny: requests of text alone are asked one by one: else")
    assert sizes.count(3) == 1, "the check"
    assert set(sizes) == {1, 3}


def test_a_model_that_takes_no_batches_is_asked_one_by_one(tmp_path, caplog):
    folder = idefics3(tmp_path)

    def generate(model, **inputs):
        if "pixel_values" in inputs and len(inputs["input_ids"]) > 1:
            raise ValueError("one image at a time")
        return model.generate(**inputs)

    requests = [asked(SMALL, "What?"), asked("Hello."), asked(TALL), asked("Hello there.")]
    together = answers(model_of(folder, generate), requests)
    alone = [answers(model_of(folder, generate), [each])[0] for each in requests]
    # Texts are asked together, where sums are rounded in another order.
    close = [pytest.approx(each.p_unsafe, abs=1e-6) for each in alone]
    assert [each.p_unsafe for each in together] == close
    assert [each._replace(p_unsafe=None) for each in together] == [
        each._replace(p_unsafe=None) for each in alone
    ]
    assert "requests with an image are asked one by one (ValueError" in caplog.text
    assert "of text alone" not in caplog.text


def test_a_model_that_a_cache_leads_astray_computes_each_prompt_as_a_whole(folder, caplog):
    def generate(model, **inputs):
        for layer in inputs["cache"].layers if "cache" in inputs else ():
            layer.keys.zero_()
        return model.generate(**inputs)

    policy = "Grade the content by what it promotes or touches. " * 12
    requests = [asked("Hello. " * n, system=policy) for n in range(1, 4)]
    expected = [each.p_unsafe for each in answers(model_of(folder, plain), requests)]
    found = [each.p_unsafe for each in answers(model_of(folder, generate), requests)]
    assert found == pytest.approx(expected, abs=1e-5)
    [message] = told(caplog)
    assert "prompts of text alone are computed from their first token on" in message
