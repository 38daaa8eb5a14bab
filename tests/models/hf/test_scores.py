"""Probabilities of the severities: which tokens count, and the sums, by hand."""

from __future__ import annotations

import math

import pytest

from tests.models.hf.asking import SMALL, answers, asked
from tests.models.hf.tiny import gemma3, qwen3_text
from tests.models.hf.tokenizers import byte_tokenizer, metaspace_tokenizer
from vlsu.models import Request, Settings, open_model
from vlsu.models.hf.labels import label_tokens
from vlsu.models.hf.libraries import library

LABELS = ("safe", "borderline", "unsafe")


def test_first_tokens_tell_labels_apart():
    tokenizer = byte_tokenizer([], eos_token="</s>")
    first, whole = label_tokens(tokenizer, LABELS)
    assert whole is None
    for label, ids in zip(LABELS, first, strict=True):
        begins = {tokenizer.decode([id_]).strip().lower() for id_ in ids}
        assert all(label.startswith(begin) and begin for begin in begins)


def test_whole_labels_where_they_begin_alike():
    """A tokenizer that writes a space in front, and each letter by itself."""
    tokenizer = metaspace_tokenizer([], add_bos=False, eos_token="</s>")
    _, whole = label_tokens(tokenizer, LABELS)
    assert whole is not None
    spelled = ["".join(tokenizer.convert_ids_to_tokens(ids)) for ids in whole]
    assert spelled == ["▁safe", "▁borderline", "▁unsafe"]


def test_the_probability_of_a_whole_label_is_the_product_of_its_tokens(tmp_path):
    """Gemma 3 with an image, by a forward pass of the library for each label."""
    folder = gemma3(tmp_path)
    torch, transformers = library("torch"), library("transformers")
    request = asked(SMALL, "What is it?", system="")
    [answer] = answers(open_model(f"hf/{folder}", Settings(score=True)), [request])

    from tests.models.hf.asking import PICTURES
    from vlsu.models.hf.images import rgb

    processor = transformers.AutoProcessor.from_pretrained(folder)
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
    parts = [
        {"type": "image", "image": rgb(PICTURES, SMALL.sha256)},
        {"type": "text", "text": "What is it?"},
    ]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": parts}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    length = inputs["input_ids"].shape[1]
    mass = {}
    for label in LABELS:
        ids = processor.tokenizer.encode(label, add_special_tokens=False)
        more = torch.tensor([ids])
        whole = {
            **inputs,
            "input_ids": torch.cat([inputs["input_ids"], more], 1),
            "attention_mask": torch.cat([inputs["attention_mask"], torch.ones_like(more)], 1),
            "token_type_ids": torch.cat([inputs["token_type_ids"], torch.zeros_like(more)], 1),
        }
        with torch.no_grad():
            logprobs = model(**whole).logits[0].log_softmax(-1)
        mass[label] = math.exp(
            sum(float(logprobs[length - 1 + step, id_]) for step, id_ in enumerate(ids))
        )
    assert answer.p_unsafe == pytest.approx(mass["unsafe"] / sum(mass.values()), rel=1e-4)
    assert answer.text == max(mass, key=lambda label: mass[label])


def test_a_policy_of_two_severities(tmp_path):
    folder = qwen3_text(tmp_path)
    three = asked("Hello.")
    two = three._replace(schema={"properties": {"severity": {"enum": ["safe", "unsafe"]}}})
    model = open_model(f"hf/{folder}", Settings(score=True))
    first, second = answers(model, [three, two])
    assert second.text in ("safe", "unsafe")
    assert second.p_unsafe is not None
    assert first.p_unsafe is not None
    assert second.p_unsafe > first.p_unsafe, "borderline has no share of it"


def test_a_score_generates_nothing_and_counts_the_prompt(tmp_path):
    folder = qwen3_text(tmp_path)
    request = Request(asked("Hello.").messages)
    [score] = answers(open_model(f"hf/{folder}", Settings(score=True)), [request])
    [answer] = answers(open_model(f"hf/{folder}", Settings(max_tokens=2)), [request])
    assert score.output_tokens == 0
    assert answer.input_tokens is not None
    assert score.input_tokens is not None
    assert score.input_tokens > answer.input_tokens, "with an empty thought, since it may think"


def rewritten(folder, output_layer: float):
    """A text model whose every output has that value, whatever it reads."""
    transformers, torch = library("transformers"), library("torch")
    model = transformers.AutoModelForCausalLM.from_pretrained(qwen3_text(folder))
    with torch.no_grad():
        model.lm_head.weight.fill_(output_layer)
    model.save_pretrained(folder)
    return open_model(f"hf/{folder}", Settings(score=True))


def test_of_equally_probable_labels_the_graver(tmp_path):
    """As of servers. No token is likelier than another, so those count that begin it."""
    [answer] = answers(rewritten(tmp_path, 0.0), [asked("Hello.")])
    first, _ = label_tokens(library("transformers").AutoTokenizer.from_pretrained(tmp_path), LABELS)
    counts = dict(zip(LABELS, map(len, first), strict=True))
    tied = [label for label in LABELS if counts[label] == max(counts.values())]
    assert len(tied) > 1
    assert answer.text == tied[-1] == "unsafe"
    assert answer.p_unsafe == pytest.approx(counts["unsafe"] / sum(counts.values()))


def test_numbers_that_overflow_are_no_verdict(tmp_path):
    [answer] = answers(rewritten(tmp_path, math.nan), [asked("Hello.")])
    assert answer.outcome == "error"
    assert answer.fault is not None
    assert "no probabilities of the severities (NaN or infinity); a --dtype" in answer.fault.message


def test_a_model_that_would_say_something_else_is_told_of_once(tmp_path, caplog):
    """Where all tokens are equally probable, the labels have their share of the vocabulary."""
    model = rewritten(tmp_path, 0.0)
    answers(model, [asked("Hello."), asked("Good morning.")])
    told = [r.getMessage() for r in caplog.records if "label_mass" in r.getMessage()]
    assert len(told) == 1
    assert "the severities have at most 0.01 of the next word's probability" in told[0]
