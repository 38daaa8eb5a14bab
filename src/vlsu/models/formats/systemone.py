"""System One: typed questions about a state, answered with a probability for each option.

``POST <base>/systemone`` after TypeSafe's API and ``transformers serve`` 5.24
(``transformers/cli/serving/systemone.py``, ``transformers/decision``), which answers with any chat
model by one forward pass and generates nothing; Ollama and others serve the format too. A request
has ``model``, ``state``, ``questions`` and ``assets``, and no other field; an asset is the base64
of a PNG or JPEG under a name, and the model sees it wherever that name stands in the state. The
answer to a ``choice`` has ``choice``, ``confidence`` and ``probabilities`` by option.

The question's instructions are the request's system message, the state is the user's turn, and the
options are the severities to score. The name of an image is made of a hash of the words around it,
which cannot hold it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from vlsu.errors import ModelError, UsageError
from vlsu.models.base import (
    ImageLimits,
    ImagePart,
    Message,
    Outcome,
    Request,
    Response,
    Settings,
    answerable_severities,
)
from vlsu.models.bodies.error_bodies import parse_error, parse_error_body
from vlsu.models.formats.completion_answers import error_response
from vlsu.models.formats.wire import (
    JSON_HEADERS,
    Images,
    Tree,
    as_object,
    decode_body,
    malformed_response,
    message_text,
    provider_identity,
    status_within,
    token_count,
)
from vlsu.models.http import rate_limits
from vlsu.models.http.address import address_hint
from vlsu.models.http.model import HttpModel, ReadImage, is_answer
from vlsu.models.http.rate_limits import RateLimits
from vlsu.models.http.transport import Body, Header
from vlsu.policy.severity import SEVERITY_CODES

__all__ = ["SystemOne", "SystemOneModel", "systemone_model"]

DEFAULT_BASE_URL = "https://api.typesafe.ai/v1"
KEY_VARIABLE = "TYPESAFE_API_KEY"

#: OpenRouter's reference of the format: PNG and JPEG; no documented limit of size.
LIMITS = ImageLimits(("image/png", "image/jpeg"))
#: TypeSafe sees images only where this is sent; other servers ignore it.
_WITH_IMAGES = {"TypeSafe-Danger-Zone-Images": "true"}
_QUESTION = "severity"
#: Options of every policy: an answer without one of them is none.
_ASKED = {"safe", "unsafe"}
#: Where the prompt has no system message.
_INSTRUCTIONS = "Choose the severity that fits best."
#: What `transformers serve` says of every request -> what to do.
_HOPELESS = {
    "single tokens": "its tokenizer cannot label the options; choose another model",
    "images need a model": "it sees no images; ask for --modalities text",
}


class SystemOne:
    """The wire format of System One, as pure functions."""

    def url(self, model: str, settings: Settings) -> str:
        """``<base>/systemone``; a base URL that already ends so is unchanged."""
        base, question, query = (settings.base_url or DEFAULT_BASE_URL).partition("?")
        base = base.rstrip("/")
        if not base.endswith("/systemone"):
            base += "/systemone"
        return base + question + query

    def headers(self, key: str | None) -> dict[str, str]:
        """JSON, and the key as a bearer token."""
        headers = {**JSON_HEADERS, **_WITH_IMAGES}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        return headers

    def image_limits(self, settings: Settings) -> ImageLimits:
        """PNG and JPEG."""
        return LIMITS

    def rate_limits(self, header: Header, body: bytes, now: float) -> RateLimits:
        """The limits in a response's headers; `now` is seconds since the epoch."""
        return rate_limits.openai_limits(header, now)

    def encode(self, model: str, request: Request, settings: Settings, image: ReadImage) -> Body:
        """The JSON body: one question of the type ``choice``."""
        images = Images(image)
        instructions = [message_text(m) for m in request.messages if m.role == "system"]
        turns = [message for message in request.messages if message.role != "system"]
        names = _image_names(request)
        assets = {}
        for sha256, name in names.items():
            media_type, data = images.base64(sha256)
            form = media_type.removeprefix("image/")
            assets[name] = {"type": "image", "format": form, "data_base64": data}
        question = {
            "type": "choice",
            "instructions": "\n\n".join(filter(None, instructions)) or _INSTRUCTIONS,
            "criteria": {
                label: f"graded {label} under the policy"
                for label in answerable_severities(request)
            },
        }
        body = {
            "model": model,
            "state": "\n\n".join(_state(message, names) for message in turns),
            "questions": {_QUESTION: question},
            **({"assets": assets} if assets else {}),
        }
        return images.pieces(body | dict(settings.params))

    def decode(self, status: int, body: bytes) -> Response:
        """Parse status and body; anything that is no such answer is an error with a message."""
        if is_answer(status):
            return decode_body(status, body, _read)
        response = error_response(status, parse_error_body(body))
        fault = response.fault
        for sign, remedy in _HOPELESS.items():
            if fault is not None and status == 400 and sign in fault.message.lower():
                line = f"{fault.message} ({remedy})"
                return response._replace(fault=replace(fault, message=line, fatal=True))
        return response


def _image_names(request: Request) -> Mapping[str, str]:
    """Digest of each image -> a name that no text of the request holds."""
    texts = [part for m in request.messages for part in m.parts if isinstance(part, str)]
    mark = hashlib.blake2b("\0".join(texts).encode(errors="replace"), digest_size=8).hexdigest()
    return {
        sha256: f"image-{number}-{mark}"
        for number, sha256 in enumerate(dict.fromkeys(request.images), start=1)
    }


def _state(message: Message, names: Mapping[str, str]) -> str:
    parts = (names[p.sha256] if isinstance(p, ImagePart) else p for p in message.parts)
    return "\n\n".join(parts)


def _read(tree: Tree) -> Response:
    if "answers" not in tree:  # such as a gateway's error
        found_error = parse_error(tree)
        if tree.get("error") or found_error.message:
            return error_response(status_within(found_error), found_error)
    answer = as_object(as_object(tree.get("answers")).get(_QUESTION))
    found = {
        label: float(share)
        for label, share in as_object(answer.get("probabilities")).items()
        if isinstance(share, float | int) and not isinstance(share, bool)
    }
    known = _ASKED <= found.keys() <= set(SEVERITY_CODES)
    valid = known and all(0 <= p <= 1 for p in found.values())
    total = sum(found.values())
    if not valid or not total or len(found) != len(as_object(answer.get("probabilities"))):
        return malformed_response("the answer has no probabilities of the severities")
    usage = as_object(tree.get("usage"))
    highest = max(found.values())
    likeliest = [label for label in SEVERITY_CODES if found.get(label) == highest]
    chosen = answer.get("choice")
    return Response(
        Outcome.OK,
        text=chosen if isinstance(chosen, str) and chosen in likeliest else likeliest[-1],
        input_tokens=token_count(usage.get("input_tokens")),
        output_tokens=token_count(usage.get("output_tokens")),
        p_unsafe=found["unsafe"] / total if "unsafe" in found else None,
    )


class SystemOneModel(HttpModel):
    """A model that answers typed questions."""

    #: The prompt of a run that names none: the policy, and no form of an answer.
    default_prompt = "choice"


def systemone_model(name: str, settings: Settings) -> SystemOneModel:
    """A probability for each severity, from System One: TypeSafe, or a server (transformers serve).

    The key comes from ``TYPESAFE_API_KEY``; a server named by --base-url may need none.

    Raises:
        ModelError: TypeSafe is asked, and no key is set.
        UsageError: A schema is to be enforced, or a parameter would replace what is asked.
    """
    spec = f"systemone/{name}"
    key = os.environ.get(KEY_VARIABLE)
    host = urlsplit(settings.base_url or DEFAULT_BASE_URL).hostname or ""
    if not key and host == urlsplit(DEFAULT_BASE_URL).hostname:
        raise ModelError(f"{spec}: set {KEY_VARIABLE}, or name a server with --base-url")
    for field in ("state", "questions", "assets"):
        if field in settings.params:
            raise UsageError(f"param {field}: that is what a run asks; leave it out")
    wire = SystemOne()
    identity = provider_identity(
        "systemone",
        name,
        settings,
        sampling={},
        structured=False,
        images=wire.image_limits(settings),
    )
    identity["score"] = True
    hint = address_hint(settings.base_url)
    return SystemOneModel(spec, name, wire, settings, key, identity, not_found_hint=hint)
