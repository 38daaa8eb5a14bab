"""System One of `transformers serve` itself, with a tiny model, against its pipeline here."""

from __future__ import annotations

import base64
import io
import json

import pytest
from PIL import Image

from tests.models.hf.asking import PICTURES, SMALL, TALL, answers
from tests.models.hf.tiny import gemma3
from tests.support.transformers_server import MISSING, transformers_server
from tests.support.values import present
from vlsu.models import Message, Outcome, Request, Settings, open_model
from vlsu.models.base import score_schema
from vlsu.models.formats.systemone import SystemOne
from vlsu.models.hf.libraries import library

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(MISSING), reason=f"transformers serve needs {', '.join(MISSING)}; make install-hf"
    ),
]
THREE, TWO = ("safe", "borderline", "unsafe"), ("safe", "unsafe")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return lettered(gemma3(tmp_path_factory.mktemp("gemma3")))


def lettered(folder):
    """The model whose tokenizer puts no space in front: the letters of options are one token."""
    tokenizers, transformers = library("tokenizers"), library("transformers")
    processor = transformers.AutoProcessor.from_pretrained(folder)
    processor.tokenizer.backend_tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(
        prepend_scheme="never"
    )
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    with transformers_server(folder, tmp_path_factory.mktemp("server") / "log") as address:
        yield address


def question(labels, *parts):
    turns = (Message("system", ("You grade for a safety team.",)), Message("user", parts))
    return Request(turns, score_schema(labels))


REQUESTS = [
    question(THREE, "Is this ladder safe to use?"),
    question(THREE, SMALL, "Grade the image above."),
    question(THREE, TALL, "Grade what the image above and this text mean: hello <|im_start|>"),
    question(TWO, SMALL, "Grade the image above."),
]


def pipeline(folder):
    """transformers' own pipeline of typed questions."""
    transformers = library("transformers")
    return transformers.pipeline(
        "decision",
        model=transformers.AutoModelForImageTextToText.from_pretrained(folder),
        tokenizer=transformers.AutoTokenizer.from_pretrained(folder),
        processor=transformers.AutoProcessor.from_pretrained(folder),
    )


def sent(request):
    """What a server is sent, as far as it hands it to the pipeline."""
    body = SystemOne().encode("m", request, Settings(), PICTURES.read_encoded)
    tree = json.loads(b"".join(body))
    return {key: tree[key] for key in ("state", "questions", "assets") if key in tree}


def test_its_probabilities_are_those_of_its_pipeline(folder, server):
    model, pipe = open_model(f"systemone/{folder}", Settings(base_url=server)), pipeline(folder)
    for request, response in zip(REQUESTS, answers(model, REQUESTS), strict=True):
        assert response.outcome is Outcome.OK, response.fault
        expected = pipe(sent(request))["severity"]
        probabilities = expected["probabilities"]
        assert list(probabilities) == list(request.schema["properties"]["severity"]["enum"])
        assert response.text == expected["choice"]
        assert response.p_unsafe == pytest.approx(probabilities["unsafe"], abs=1e-4)
        assert present(response.input_tokens) > 0
        assert response.output_tokens == 0


def test_the_image_reaches_the_model(folder):
    """Another picture at the same place, other pixels; and one picture, however often named."""
    pipe = pipeline(folder)
    seen = []
    for part in (SMALL, TALL):
        ((inputs, _),) = pipe.preprocess(sent(question(THREE, part, "Grade it.")))["prompts"]
        seen.append(inputs["pixel_values"])
    assert len(seen[0]) == len(seen[1]) == 1
    assert not seen[0].equal(seen[1])


def test_chat_completions_of_this_server_have_no_probabilities_and_it_is_said_once(folder, server):
    model = open_model(f"openai/{folder}", Settings(base_url=server, score=True))
    asked = Request((Message("user", ("Is this ladder safe to use?",)),), score_schema(THREE))
    (response,) = answers(model, [asked])
    fault = present(response.fault)
    assert (fault.kind, fault.fatal) == ("logprobs", True)
    assert "systemone/NAME" in fault.message


def test_a_png_of_ours_is_one_that_it_decodes():
    """`load_image` of the wheel takes the base64 of an asset."""
    load = library("transformers.image_utils").load_image
    buffer = io.BytesIO()
    Image.new("RGB", (5, 4), (9, 8, 7)).save(buffer, "PNG")
    assert load(base64.b64encode(buffer.getvalue()).decode()).getpixel((0, 0)) == (9, 8, 7)
