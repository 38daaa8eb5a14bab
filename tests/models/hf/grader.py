"""A tiny vision model whose every answer is a grade: which one, its random weights say.

Its vocabulary has whole answers as single tokens. Of its output layer only their rows and that of
the end are not zero; what follows an answer is the end.
"""

from __future__ import annotations

from pathlib import Path

from tests.models.hf.tiny import idefics3
from vlsu.models.hf.libraries import library

#: Two spellings a severity, with opposite rows: some answer always beats the tokens of zero.
ANSWERS = [
    f'{{"severity":{space}"{severity}",{space}"category":{space}null}}'
    for severity in ("safe", "borderline", "unsafe")
    for space in ("", " ")
]


def grader(folder: Path) -> Path:
    torch, transformers = library("torch"), library("transformers")
    idefics3(folder, ANSWERS)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder)
    generator = torch.Generator().manual_seed(3)
    width = model.config.text_config.hidden_size
    after, *rows = torch.linalg.qr(torch.randn(width, 4, generator=generator))[0].T
    with torch.no_grad():
        output, embedding = model.lm_head.weight, model.get_input_embeddings().weight
        output.zero_()
        output[tokenizer.eos_token_id] = after
        for name, weight in model.model.text_model.named_parameters():
            if "self_attn" in name:  # sharp attention: the sample decides, not the policy above it
                weight.mul_(6)
        for index, answer in enumerate(ANSWERS):
            [token] = tokenizer.encode(answer, add_special_tokens=False)
            output[token] = rows[index // 2] * (5 if index % 2 else -5)
            embedding[token] = after * 1000
    model.save_pretrained(folder)
    return folder
