"""Reading the body of a request: bounded in size and in time, and only text that can be stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import anyio
import orjson

from vlsu.errors import UsageError

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["BODY_S", "BodyError", "read_body"]

#: Seconds that a body may take to arrive.
BODY_S = 20.0
_JSON = ("application/json", "")
_FORM = "application/x-www-form-urlencoded"


class BodyError(UsageError):
    """A body that is not taken.

    Attributes:
        status: Of the answer.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_body(request: Request, largest: int, patience: float = BODY_S) -> dict[str, Any]:
    """The object of a JSON body, or the fields of a form.

    Args:
        request: Its body is read here.
        largest: Bytes at most.
        patience: Seconds that it may take.

    Raises:
        BodyError: It is too large, too slow, or neither JSON nor a form.
    """
    given = request.headers.get("content-length", "")
    if given.isdigit() and int(given) > largest:
        raise BodyError(413, f"the body has more than {largest} bytes")
    read = bytearray()
    try:
        with anyio.fail_after(patience):
            async for part in request.stream():
                read += part
                if len(read) > largest:
                    raise BodyError(413, f"the body has more than {largest} bytes")
    except TimeoutError:
        raise BodyError(408, "the body took too long") from None
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    found: Any = None
    try:
        if kind == _FORM:
            found = dict(parse_qsl(read.decode(), keep_blank_values=True, max_num_fields=100))
        elif kind in _JSON:
            found = orjson.loads(read or b"{}")
    except ValueError:
        pass
    if not isinstance(found, dict):
        raise BodyError(400, "the body is no JSON object")
    if (b"%00" in read or b"\\u0000" in read or b"\0" in read) and _has_nul(found):
        raise BodyError(400, "a text has a NUL character, which cannot be stored")
    return found


def _has_nul(found: Any) -> bool:
    if isinstance(found, str):
        return "\0" in found
    if isinstance(found, dict):
        return any(_has_nul(key) or _has_nul(value) for key, value in found.items())
    return isinstance(found, list) and any(map(_has_nul, found))
