"""CLIP and SigLIP as embedders: tiny models of random weights, of the real classes."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.build.search.sources import captioned
from tests.models.hf.tokenizers import byte_tokenizer
from vlsu.build.folder.build import init
from vlsu.build.search.clip import Clip
from vlsu.build.search.embedders import open_embedder
from vlsu.build.search.index import open_index
from vlsu.errors import ModelError
from vlsu.policy import default_policy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("torch") is None or find_spec("transformers") is None,
        reason="needs the extra hf",
    ),
]

_TOWER = {
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def tiny(kind: str, folder: Any) -> str:
    """A model of a family, with random weights and a tokenizer of bytes."""
    import torch
    import transformers

    torch.manual_seed(3)
    tokenizer = byte_tokenizer([], eos_token="<|end|>", pad_token="<|pad|>", bos_token="<|start|>")
    text = {**_TOWER, "vocab_size": len(tokenizer), "max_position_embeddings": 24}
    text |= {name: getattr(tokenizer, name) for name in ("eos_token_id", "pad_token_id")}
    vision = {**_TOWER, "image_size": 32, "patch_size": 8}
    size = {"height": 32, "width": 32}
    if kind == "clip":
        config: Any = transformers.CLIPConfig(
            text_config=text, vision_config=vision, projection_dim=16
        )
        images: Any = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=size)
        processor: Any = transformers.CLIPProcessor(images, tokenizer)
    else:
        config = transformers.SiglipConfig(
            text_config={**text, "projection_size": 32}, vision_config=vision
        )
        images = transformers.SiglipImageProcessorPil(size=size)
        processor = transformers.SiglipProcessor(images, tokenizer)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module", params=["clip", "siglip"])
def model(request, tmp_path_factory):
    return tiny(request.param, tmp_path_factory.mktemp(request.param))


def picture(colour: tuple[int, int, int], side: int = 40) -> bytes:
    with io.BytesIO() as buffer:
        Image.new("RGB", (side, side), colour).save(buffer, format="PNG")
        return buffer.getvalue()


def opened(model: str) -> Any:
    return Clip("hf/tiny", model)


RED, BLUE = picture((200, 0, 0)), picture((0, 0, 200))


def test_vectors_are_those_of_the_whole_model(model):
    """Its forward pass, which projects and normalises by itself, is the second witness."""
    import torch
    import transformers

    embedder = opened(model)
    whole = transformers.AutoModel.from_pretrained(model)
    processor = transformers.AutoProcessor.from_pretrained(model)
    pad = "max_length" if "siglip" in whole.config.model_type else True
    inputs = processor(
        text=["a lamp", "a church on a hill"],
        images=[Image.new("RGB", (40, 40), (200, 0, 0)), Image.new("RGB", (40, 40), (0, 0, 200))],
        padding=pad,
        max_length=24,
        truncation=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        expected = whole(**inputs)
    np.testing.assert_allclose(
        np.stack(embedder.images([RED, BLUE])), expected.image_embeds.numpy(), atol=1e-5
    )
    np.testing.assert_allclose(
        np.stack(embedder.texts(["a lamp", "a church on a hill"])),
        expected.text_embeds.numpy(),
        atol=1e-5,
    )


def test_a_text_does_not_depend_on_its_company(model):
    embedder = opened(model)
    (alone,) = embedder.texts(["a lamp"])
    among = embedder.texts(["", "a lamp", "word " * 200])
    assert among[0] is None
    np.testing.assert_allclose(among[1], alone, atol=1e-5)
    assert among[2].shape == alone.shape == (embedder.dimensions,)


def test_what_is_no_image_has_no_vector(model):
    found = opened(model).images([RED, b"no image", BLUE])
    assert [each is None for each in found] == [False, True, False]


def test_an_index_of_images_without_captions_is_searched(model, tmp_path):
    build = init(tmp_path / "b", default_policy())
    source = captioned("", "", "")
    source.images = {"a": RED, "b": b"no image", "c": BLUE}
    with open_index(build, [source], embedding=f"hf/{model}") as index:
        hits = index.search("lamp", "a lamp", 5)
    assert sorted(hit.candidate.id for hit in hits) == ["a", "c"]
    embedder = opened(model)
    (query,), (red, blue) = embedder.texts(["a lamp"]), embedder.images([RED, BLUE])
    assert hits[0].candidate.id == ("a" if red @ query > blue @ query else "c")


def test_a_folder_is_known_by_its_weights_not_its_place(model):
    assert Clip("hf/x", model).identity() == Clip("hf/y", model).identity()


def test_a_model_of_another_kind_is_refused(tmp_path):
    import transformers

    transformers.BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="give a CLIP or SigLIP model"):
        open_embedder(f"hf/{tmp_path}", tmp_path)
    with pytest.raises(ModelError, match="no such folder"):
        open_embedder(f"hf/{tmp_path / 'none'}", tmp_path)
