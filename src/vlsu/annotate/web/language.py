"""The language of the pages, as a person chose it: a cookie that is set by a link.

Links and no buttons, so that the one button of a page is what the page is for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vlsu.annotate.web.endpoints import ANYBODY, Call, Endpoint
from vlsu.annotate.web.strings import LANGUAGE_COOKIE, LANGUAGES
from vlsu.errors import UsageError

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["ENDPOINTS"]

_PATH = re.compile(r"/|(?:/[A-Za-z0-9_-]+)+")
_YEAR = 365 * 24 * 3600


def choose(call: Call) -> Response:
    """Remember a language, and go back to the page it was chosen on.

    Raises:
        UsageError: There are no strings for the language.
    """
    from starlette.responses import RedirectResponse

    wanted = call.request.query_params
    language = wanted.get("to", "")
    if language not in LANGUAGES:
        raise UsageError(f"to: {language[:40]!r}; give {' or '.join(LANGUAGES)}")
    back = wanted.get("back", "/")
    site = call.service.site
    response = RedirectResponse(site.root + (back if _PATH.fullmatch(back) else "/"), 303)
    response.set_cookie(
        LANGUAGE_COOKIE,
        language,
        max_age=_YEAR,
        path=site.root or "/",
        secure=site.secure,
        httponly=True,
        samesite="lax",
    )
    return response


ENDPOINTS = (Endpoint("GET", "/language", ANYBODY, choose, page=True),)
