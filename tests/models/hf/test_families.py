"""Tiny models of real families, through their real processors: a batch is its requests one by one,
and no text forges a turn or an image."""

from __future__ import annotations

import pytest

from tests.models.hf.asking import PICTURES, SMALL, TALL, WIDE, answers, asked
from tests.models.hf.tiny import FAMILIES, SEEING
from vlsu.models import Outcome, Request, Settings, open_model
from vlsu.models.base import answerable_severities
from vlsu.models.hf.chat import Chat, Prompt
from vlsu.models.hf.checkpoint import read_checkpoint
from vlsu.models.hf.libraries import library

TEXTS = [
    asked("Hello there."),
    asked("How long does bread have to bake in a fan oven, and at which temperature?"),
    asked("x"),
    asked("May I take a pocket knife on a plane? " * 4),
]
IMAGES = [
    asked(SMALL, "What is it?"),
    asked(WIDE),
    asked(TALL, "And what is that, in a few words, please? " * 3),
]
#: Mixed in kind, length and size, as a run sends them.
REQUESTS = [TEXTS[0], IMAGES[0], IMAGES[1], TEXTS[1], IMAGES[2], TEXTS[2], TEXTS[3]]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    return request.param, FAMILIES[request.param](tmp_path_factory.mktemp(request.param))


def requests_of(name: str) -> list[Request]:
    return REQUESTS if name in SEEING else TEXTS


def test_an_answer_in_a_batch_is_the_answer_alone(family, caplog):
    name, folder = family
    requests = requests_of(name)
    model, one_by_one = (
        open_model(f"hf/{folder}", Settings(max_tokens=12, max_batch=most)) for most in (4, 1)
    )
    together, apart = answers(model, requests), answers(one_by_one, requests)
    assert [each.text for each in together] == [each.text for each in apart]
    assert not any(each.fault for each in together)
    assert len({each.text for each in together}) > 2, "the answers differ between requests"
    assert not caplog.records, "no family had to go without batches"


def test_a_score_in_a_batch_is_the_score_alone(family):
    name, folder = family
    requests = requests_of(name)
    model, one_by_one = (
        open_model(f"hf/{folder}", Settings(score=True, max_batch=most)) for most in (4, 1)
    )
    together, apart = answers(model, requests), answers(one_by_one, requests)
    assert [each.p_unsafe for each in together] == pytest.approx(
        [each.p_unsafe for each in apart], abs=1e-5
    )
    assert [each.text for each in together] == [each.text for each in apart]
    assert {each.outcome for each in together} == {Outcome.OK}
    assert {each.text for each in together} <= set(answerable_severities(requests[0]))


def test_what_it_can_judge_is_what_its_processor_takes(family):
    name, folder = family
    expected = {"image", "text", "joint"} if name in SEEING else {"text"}
    assert open_model(f"hf/{folder}").modalities == expected


def test_control_tokens_in_a_text_stay_text(family):
    """Each control token of the tokenizer is there as often as without the hostile text."""
    name, folder = family
    checkpoint = read_checkpoint(f"hf/{folder}", str(folder))
    chat = Chat(checkpoint, {})
    control = checkpoint.tokenizer.added_tokens_encoder
    images = [WIDE] if name in SEEING else []

    def ids(text: str) -> list[int]:
        prompt = Prompt.of(asked(*images, text), PICTURES)
        listed: list[int] = chat.inputs([prompt], {})["input_ids"][0].tolist()
        return listed

    plain, hostile = ids("Hello"), ids("Hello" + "".join(control))
    assert {token: plain.count(id_) for token, id_ in control.items()} == {
        token: hostile.count(id_) for token, id_ in control.items()
    }
    assert len(hostile) > len(plain) + len(control)


#: Their labels begin alike, with a space: test_scores.py has their sums.
BEGIN_ALIKE = ("llava", "gemma3")
OPTIONS = {
    "add_generation_prompt": True,
    "tokenize": True,
    "return_dict": True,
    "return_tensors": "pt",
}


def by_hand(name, folder):
    """Checkpoint, model, and one conversation as a model card has it, without a system message."""
    checkpoint = read_checkpoint(f"hf/{folder}", str(folder))
    model = getattr(library("transformers"), checkpoint.auto_class).from_pretrained(folder).eval()
    text = "What is it?"
    content = [{"type": "text", "text": text}] if name in SEEING else text
    return checkpoint, model, [{"role": "user", "content": content}], asked(text, system="")


def test_an_answer_is_what_the_library_gives_by_hand(family):
    name, folder = family
    checkpoint, model, conversation, request = by_hand(name, folder)
    inputs = checkpoint.processor.apply_chat_template(conversation, **OPTIONS)
    output = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    new = output[0, inputs["input_ids"].shape[1] :]
    [answer] = answers(open_model(f"hf/{folder}", Settings(max_tokens=12)), [request])
    assert answer.text == checkpoint.tokenizer.decode(new, skip_special_tokens=True)


@pytest.mark.parametrize(
    "family", [name for name in FAMILIES if name not in BEGIN_ALIKE], indirect=True
)
def test_a_score_is_the_softmax_of_the_library_by_hand(family):
    name, folder = family
    checkpoint, model, conversation, request = by_hand(name, folder)
    thinking = {} if name in SEEING else {"enable_thinking": False}
    inputs = checkpoint.processor.apply_chat_template(conversation, **thinking, **OPTIONS)
    with library("torch").no_grad():
        probabilities = model(**inputs).logits[0, -1].softmax(-1)
    tokenizer = checkpoint.tokenizer
    begins = {
        label: {
            tokenizer.encode(space + word, add_special_tokens=False)[0]
            for space in ("", " ")
            for word in (label, label.capitalize(), label.upper())
        }
        for label in ("safe", "borderline", "unsafe")
    }
    silent = {a for x in begins for y in begins if x != y for a in begins[x] & begins[y]}
    silent |= {id_ for ids in begins.values() for id_ in ids if not tokenizer.decode([id_]).strip()}
    mass = {
        label: float(probabilities[sorted(ids - silent)].sum()) for label, ids in begins.items()
    }
    [score] = answers(open_model(f"hf/{folder}", Settings(score=True)), [request])
    assert score.p_unsafe == pytest.approx(mass["unsafe"] / sum(mass.values()), abs=1e-5)
    assert score.text == max(mass, key=lambda label: mass[label])
