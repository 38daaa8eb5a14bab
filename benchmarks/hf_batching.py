"""Open models in process: batches against one by one, and a policy that is computed once.

python -m benchmarks.hf_batching [--requests 32] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from tests.models.hf.asking import PICTURES, SMALL, TALL, WIDE, asked
from tests.models.hf.tiny import FAMILIES, SEEING

from benchmarks.measure import load_average, say
from benchmarks.writing import markdown, write_results
from vlsu.models import Settings
from vlsu.models.hf.batches import Batches
from vlsu.models.hf.chat import Chat, Prompt
from vlsu.models.hf.checkpoint import read_checkpoint
from vlsu.models.hf.engine import Engine
from vlsu.models.hf.libraries import library
from vlsu.models.hf.weights import load_weights

#: Tokens of each answer, and the requests of a batch.
TOKENS, BATCH = 16, 8
#: With one sentence above the sample, and with a policy of some 700 tokens.
SHORT = "You grade the safety of content."
POLICY = files("vlsu.policy").joinpath("default.yaml").read_text()[:2500]
NAMES = ("qwen3_vl", "qwen2_5_vl", "llava_onevision", "smolvlm", "internvl", "qwen3_text")


def prompts(count: int, sees: bool, system: str) -> list[Prompt]:
    """Texts of 1 to 60 words; of models that see, half of them with an image."""
    pictures = (SMALL, WIDE, TALL)
    made = []
    for index in range(count):
        shown = [pictures[index // 2 % 3]] if sees and index % 2 else []
        text = "May I take it on a plane? " * (1 + 7 * index % 10)
        made.append(Prompt.of(asked(*shown, text, system=system), PICTURES))
    return made


def seconds(engine: Engine, batch: list[Prompt], size: int, work: Callable[..., Any]) -> float:
    """CPU time of all requests, in batches of at most a size."""
    batches = Batches(size, lambda error: False)
    started = time.process_time()
    batches.run(batch, lambda prompt: prompt.shape, work)
    return time.process_time() - started


def measured(name: str, count: int, rounds: int) -> tuple[object, ...]:
    """A family's row: median CPU times of alternating rounds, as rates and ratios."""
    with tempfile.TemporaryDirectory() as folder:
        path = FAMILIES[name](Path(folder))
        checkpoint = read_checkpoint("hf/tiny", str(path))
        engine = Engine(checkpoint, Chat(checkpoint, {}), load_weights(checkpoint, Settings()))
    engine._ends = frozenset()  # every answer has its full length

    def generate(part: list[Prompt]) -> list[Any]:
        return engine.generate(part, TOKENS, {}, 0)

    def score(part: list[Prompt]) -> list[Any]:
        return list(engine.next_logprobs(part)[0])

    short, long = (prompts(count, name in SEEING, system) for system in (SHORT, POLICY))
    taken: dict[str, list[float]] = {}
    for _ in range(rounds):
        for what, batch, size, cached, work in (
            ("short single", short, 1, False, generate),
            ("short batch", short, BATCH, False, generate),
            ("single", long, 1, False, generate),
            ("batch", long, BATCH, False, generate),
            ("cached single", long, 1, True, generate),
            ("cached batch", long, BATCH, True, generate),
            ("score single", long, 1, False, score),
            ("score cached batch", long, BATCH, True, score),
        ):
            engine.prefixes = engine.new_prefixes() if cached else None
            taken.setdefault(what, []).append(seconds(engine, batch, size, work))
    median = {what: statistics.median(times) for what, times in taken.items()}
    tokens = count * TOKENS
    return (
        name,
        f"{tokens / median['short single']:.0f}",
        f"{tokens / median['short batch']:.0f}",
        f"{median['short single'] / median['short batch']:.1f}",
        f"{tokens / median['single']:.0f}",
        *(
            f"{median['single'] / median[what]:.1f}"
            for what in ("batch", "cached single", "cached batch")
        ),
        f"{median['score single'] / median['score cached batch']:.1f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    library("torch").set_num_threads(1)
    rows = []
    for name in NAMES:
        rows.append(measured(name, arguments.requests, arguments.rounds))
        say(" ".join(map(str, rows[-1])))
    columns = (
        *("family", "one by one", f"batches of {BATCH}", "gain"),
        *("with a policy, one by one", "batches gain", "policy once gains", "both gain"),
        "both gain, scores",
    )
    text = (
        "# Open models in process: batches, and the policy once\n\n"
        f"Tiny models with random weights on one thread, {arguments.requests} requests (half with "
        f"an image), answers of {TOKENS} tokens: tokens a second of CPU time, medians of "
        f"{arguments.rounds} alternating rounds; gains are ratios to one by one. A model of real "
        "size on an accelerator gains otherwise: there a batch shares the reading of the weights; "
        "here it saves Python's overhead, and long prompts pay for a mask of padding, without "
        f"which attention has a faster kernel. Load average {load_average():.1f}.\n\n"
        + markdown(columns, rows)
    )
    write_results("hf_batching", text, {"columns": columns, "rows": rows})


if __name__ == "__main__":
    main()
