"""Generated answers: sampling, limits, log probabilities, system messages, images."""

from __future__ import annotations

import asyncio
import io
import shutil
from collections import Counter
from typing import Any

import orjson
import pytest
from PIL import Image
from scipy.stats import chisquare

from tests.models.hf.asking import PICTURES, SMALL, Pictures, answers, asked
from tests.models.hf.tiny import gemma3, idefics3, qwen3_text
from vlsu.models import ImagePart, Message, Request, Settings, open_model
from vlsu.models.hf.chat import Chat, Prompt, merged
from vlsu.models.hf.checkpoint import read_checkpoint
from vlsu.models.hf.images import rgb
from vlsu.models.hf.libraries import library


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return qwen3_text(tmp_path_factory.mktemp("text"))


def drawn(folder, requests, max_batch=8, **settings):
    options = Settings(max_batch=max_batch, **settings)
    return [each.text for each in answers(open_model(f"hf/{folder}", options), requests)]


def test_a_sampled_answer_depends_on_seed_and_draw_alone(folder):
    params = {"temperature": 1.0}
    draws = [asked("Hello.")._replace(draw=draw) for draw in range(4)]
    first = drawn(folder, draws, params=params, max_tokens=8)
    assert len(set(first)) > 1, "draws differ"
    assert drawn(folder, draws, params=params, max_tokens=8) == first
    assert drawn(folder, draws, params=params, max_tokens=8, max_batch=1) == first
    assert drawn(folder, draws, params=params, max_tokens=8, seed=9) != first
    greedy = {"temperature": 0}
    assert len(set(drawn(folder, draws, params=greedy, max_tokens=8))) == 1


def test_samples_have_the_distribution_of_the_parameters(folder):
    """Chi-squared, against the softmax of the library's own logits: temperature 0.5, best five."""
    torch, transformers = library("torch"), library("transformers")
    request = asked("Hello.", system="")
    params = {"temperature": 0.5, "top_k": 5}
    draws = [request._replace(draw=draw) for draw in range(600)]
    texts = drawn(folder, draws, params=params, max_tokens=1, max_batch=200)

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    inputs = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello."}], add_generation_prompt=True, return_tensors="pt"
    )
    with torch.no_grad():
        best = (model(**inputs).logits[0, -1] / 0.5).topk(5)
    expected = best.values.double().softmax(0) * len(draws)
    counts = Counter(texts)
    observed = [counts[tokenizer.decode([id_])] for id_ in best.indices.tolist()]
    assert sum(observed) == len(draws)
    assert chisquare(observed, expected).pvalue > 0.001


def test_an_answer_at_its_limit_is_cut_off(folder):
    [answer] = answers(open_model(f"hf/{folder}", Settings(max_tokens=3)), [asked("Hello.")])
    assert answer.finish_reason == "length"
    assert answer.cut_off
    assert answer.output_tokens == 3


def test_a_prompt_beyond_the_context_is_a_fault_that_quotes_nothing(folder):
    [answer] = answers(
        open_model(f"hf/{folder}", Settings(max_tokens=3)), [asked("secret word " * 9000)]
    )
    assert answer.fault is not None
    assert answer.fault.message.startswith("in-process: PromptTooLongError: ")
    assert "secret" not in answer.fault.message


def test_log_probabilities_have_the_shape_of_a_chat_completions(folder):
    model = open_model(f"hf/{folder}", Settings(max_tokens=4, logprobs=True))

    async def sent():
        raw = await model.send(asked("Hello."), PICTURES)
        await model.close()
        return raw

    body = orjson.loads(asyncio.run(sent()).body)
    steps = body["logprobs"]["content"]
    assert b"".join(bytes(step["bytes"]) for step in steps).decode() == body["text"]
    assert len(steps) == body["output_tokens"]
    for step in steps:
        top = step["top_logprobs"]
        assert len(top) == 20
        assert top[0]["logprob"] == step["logprob"] == max(each["logprob"] for each in top)


def test_a_system_message_that_a_template_refuses_goes_into_the_users_turn(tmp_path, folder):
    refusing = gemma3(tmp_path / "gemma")  # raises an exception
    silent = shutil.copytree(folder, tmp_path / "silent")  # leaves it out
    (silent / "chat_template.jinja").write_text(
        "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}"
    )
    for each, expected in ((refusing, "folded"), (silent, "folded"), (folder, "own")):
        model = open_model(f"hf/{each}")
        assert model.identity()["system"] == expected
        checkpoint = read_checkpoint(f"hf/{each}", str(each))
        inputs = Chat(checkpoint, {}).inputs([Prompt(asked("Hello."), ())], {})
        text = checkpoint.tokenizer.decode(inputs["input_ids"][0])
        assert "You grade the safety of content." in text
        assert text.index("grade the safety") < text.index("Hello.")


def test_several_system_messages_are_one():
    turns = [Message("system", ("A.",)), Message("system", ("B.",)), Message("user", ("C.",))]
    assert merged(turns, fold_system=False) == [
        Message("system", ("A.\n\nB.",)),
        Message("user", ("C.",)),
    ]
    assert merged(turns, fold_system=True) == [Message("user", ("A.\n\nB.\n\n", "C."))]


def encoded(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, **options)
    return out.getvalue()


def test_images_are_upright_rgb_on_white():
    half = Image.new("RGBA", (40, 20), (255, 0, 0, 255))
    half.paste((0, 0, 0, 0), (20, 0, 40, 20))
    turned = Image.new("RGB", (40, 20), (0, 0, 255))
    exif = Image.Exif()
    exif[274] = 6  # to be turned by a quarter
    deep = Image.new("I;16", (8, 8), 65535)
    deep.putpixel((0, 0), 0)
    files = Pictures(
        encoded(half, format="PNG"),
        encoded(turned, format="PNG", exif=exif),
        encoded(deep, format="PNG"),
    )
    flat, upright, grey = (rgb(files, part.sha256) for part in files.parts())
    assert flat.mode == "RGB"
    assert flat.getpixel((0, 0)) == (255, 0, 0)
    assert flat.getpixel((39, 0)) == (255, 255, 255)
    assert upright.size == (20, 40)
    assert grey.getpixel((7, 7)) == (255, 255, 255)


def test_several_images_and_turns(tmp_path):
    folder = idefics3(tmp_path)
    turns = (
        Message("user", (SMALL, "What is it?")),
        Message("assistant", ("A picture.",)),
        Message("user", (ImagePart(SMALL.sha256), "And this?")),
    )
    [answer] = answers(open_model(f"hf/{folder}", Settings(max_tokens=4)), [Request(turns)])
    assert answer.fault is None
