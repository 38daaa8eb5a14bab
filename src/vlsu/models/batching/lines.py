"""The lines of OpenAI's batch files, which vLLM reads and writes as well.

A request is ``{custom_id, method, url, body}``; a result has the same ``custom_id`` and either
``response`` with ``status_code`` and ``body``, or ``error`` (OpenAI's API reference, "The request
input object" and "The request output object"). vLLM's ``run_batch.py`` writes both for a request
that it refuses: a status, no body, and the error beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import orjson

from vlsu._text import collapsed_line
from vlsu.models.base import Raw
from vlsu.models.batching.base import BatchAnswer
from vlsu.models.formats.wire import Tree, as_object, as_text, error_message, token_count
from vlsu.models.http.model import is_answer
from vlsu.models.http.redaction import Redaction

__all__ = [
    "ENDPOINT",
    "answer",
    "is_request",
    "not_processed",
    "read_result",
    "request_line",
    "shown",
    "unreadable",
]

#: The address that each request is for.
ENDPOINT = "/v1/chat/completions"
#: Where a line of results, of whichever provider, names its request. In the words of an answer the
#: quotes would be escaped.
_NAMED = re.compile(rb'"(?:custom_id|key)"\s*:\s*"([a-zA-Z0-9_-]{1,64})"')
#: How `request_line` begins.
_REQUEST = re.compile(rb'\{"custom_id":"[0-9a-f]{32}","method":"POST","url":"')


def request_line(key: str, body: bytes) -> bytes:
    """The line of a request, without its end."""
    head = orjson.dumps({"custom_id": key, "method": "POST", "url": ENDPOINT})
    return head[:-1] + b',"body":' + body + b"}"


def is_request(line: bytes) -> bool:
    """Whether this is the line of a request, or its beginning, and no result or anything else."""
    return _REQUEST.match(line) is not None


def read_result(line: Tree, redaction: Redaction) -> BatchAnswer | None:
    """The answer in a line of results; `None` if it names no request."""
    key = as_text(line.get("custom_id"))
    if not key:
        return None
    response, error = as_object(line.get("response")), line.get("error")
    status, body = token_count(response.get("status_code")), response.get("body")
    if status is None or not 200 <= status <= 599:
        return not_processed(key, shown(error, redaction) or "no result")
    if body is None and error:
        body = error if isinstance(error, Mapping) else {"error": {"message": error}}
    return answer(key, status, body, redaction)


def answer(key: str, status: int, body: object, redaction: Redaction) -> BatchAnswer:
    """An answer as the server alone would have given it, without the credential."""
    try:
        data = orjson.dumps(body)
    except TypeError:  # an integer of more than 64 bits: what can be read can be written
        data = json.dumps(body).encode()
    return BatchAnswer(key, Raw(status, redaction.bytes(data, answer=is_answer(status))))


def unreadable(line: bytes, redaction: Redaction) -> BatchAnswer:
    """The answer in a line that cannot be read, or names no request that could be told."""
    named = _NAMED.search(line)
    key = named[1].decode() if named else ""
    return BatchAnswer(key, Raw(200, redaction.bytes(line, answer=True)))


def not_processed(key: str, why: str) -> BatchAnswer:
    """The answer for a request that was never processed, and is not billed."""
    return BatchAnswer(key, Raw(0, f"batch: {why}".encode()))


def shown(error: object, redaction: Redaction) -> str:
    """Code and message of an error in one line, without anything that looks like a key."""
    fields = as_object(error)
    parts = (as_text(fields.get(name)) for name in ("code", "status", "message"))
    text = ": ".join(part for part in parts if part) if fields else as_text(error)
    return collapsed_line(error_message(redaction.text(text)), 300)
