"""Telling a provider's moderation of one prompt from a fault of the request, the key or the server.

A filter that stops a prompt is an outcome of that sample, ``blocked``; every provider says it in
words of its own, with status 400, 403, 422 or one that is in no standard. A key, an account or a
region that is refused is none, though it comes with the same status.

Codes and words after the error references of OpenAI, Azure ("Content filtering"), OpenRouter
("Errors and debugging"), Alibaba DashScope, Zhipu, MiniMax, Volcengine Ark, Baidu Qianfan and
Cloudflare AI Gateway, and, where a provider documents none, what its clients report: DeepSeek
(``Content Exists Risk``), Moonshot (``considered high risk``), xAI (``Content violates usage
guidelines``).
"""

from __future__ import annotations

import re

from vlsu.models.bodies.error_bodies import ErrorBody, as_code

__all__ = ["moderated", "wrong_key"]

#: Characters of a message that are looked at.
OPENING = 300

#: Codes that say nothing but that a filter stepped in.
_CODES = frozenset(
    as_code(code)
    for code in (
        *("content_filter", "content_policy", "content_moderation", "content_safety", "moderation"),
        *("SAFETY", "IMAGE_SAFETY", "BLOCKLIST", "sensitive", "security_violation"),
        *("ContentRestricted", "content_illegal", "content_security_warning"),
        *("prompt_blocked", "input_blocked", "output_blocked", "censorship_blocked"),
    )
)
#: The same as a part of a longer code, such as ``InputTextSensitiveContentDetected.Violence``,
#: ``ResponsibleAIPolicyViolation`` or ``InternalError.Algo.DataInspectionFailed``.
_PART_OF_CODE = re.compile(
    r"contentfiltered|contentpolicyviolat|contentmoderated|contentviolation|policyviolation"
    r"|(?:inappropriate|sensitive|prohibited|unsafe|harmful|illegal)content|sensitivewords?"
    r"|datainspectionfailed|riskdetection|content(?:was)?(?:blocked|flagged|rejected)"
    r"|(?:moderation|guardrail|safety)\w{0,6}(?:blocked|flagged|intervened|violat|rejected|triggered)"
)
#: The same where a provider numbers them: Zhipu 1301, MiniMax 1026 and 1027, Cloudflare 2016, 2017.
_NUMBERS = frozenset({"1301", "1026", "1027", "2016", "2017"})
#: A code that OpenAI gives to prompts that it flags, and to prompts it cannot read.
_UNCLEAR = "invalidprompt"

#: Gateways answer with 446 what their guardrails stop; no standard knows it. What must not be said
#: for legal reasons is 451: SiliconFlow's and StepFun's filters answer with it.
_FILTER_STATUSES = {446: "guardrail", 451: "moderation"}
#: Statuses of the account, the address, the pace and the server: their words are of these.
_NOT_OF_THE_PROMPT = frozenset({401, 402, 404, 405, 407, 408, 409, 425, 429})

_WORDS = re.compile(
    r"content exists risk"
    r"|considered high risk"
    r"|\b(?:inappropriate|sensitive|unsafe|harmful|prohibited|objectionable|disallowed|illegal"
    r"|forbidden|explicit|toxic|nsfw)[ _-](?:content|words?|information|material)\b"
    r"(?![ -](?:type|length|encoding))"
    r"|\bcontent (?:filter|moderation|management policy|policy|safety)"
    r"|\bviolat\w*\b[^.]{0,60}\b(?:(?:usage|content|safety|our(?: \w+)?) polic|usage guideline"
    r"|acceptable use|community (?:guideline|standard)|terms of (?:service|use)|responsible ai"
    r"|moderation|guardrail)"
    r"|\b(?:flagged|rejected|blocked|filtered|refused|stopped|denied)\b[^.]{0,60}"
    r"\b(?:moderation|safety (?:system|filter|reason|check|polic|setting)|guardrails?"
    r"|content (?:policy|filter|restriction)|prompt injection|security configuration)"
    r"|\b(?:moderation|safety (?:system|filter|check|policy)|guardrails?|content filter\w*)\b"
    r"[^.]{0,60}\b(?:flag|reject|block|trigger|interven|violat|fail|refus|stopp)"
    r"|\b(?:pass|fail\w*)\b[^.]{0,30}\b(?:moderation|safety|guardrails?|content (?:check|review))"
    r"|\b(?:for|due to|because of) safety\b|(?<!organi[sz]ation )\bpolicy violation"
    r"|\b(?:blocked|censored|flagged) (?:input|output|prompt|response|completion|content)\b"
    r"|\bcontent is (?:illegal|sensitive|prohibited|not allowed)\b"
    r"|\b(?:prompt|input|output|response|completion|content|image|text|message)\b[^.]{0,30}"
    r"\b(?:flagged|blocked|filtered|inappropriate|offensive|harmful|objectionable|unsafe)\b"
    r"|\blimited access to this content for safety"
    r"|\bfailed check: safety"
    r"|\bnew_sensitive"
    r"|sensitive_?content_?detected|data_?inspection_?failed|content_?policy_?violation"
    r"|\u654f\u611f|\u4e0d\u5b89\u5168|\u8fdd\u89c4|\u4e0d\u5f53|\u4e0d\u9069\u5207|\u5ba1\u6838",
    re.IGNORECASE,
)
#: Words of an account, a key or a place, which every further request would meet alike.
_ACCOUNT = re.compile(
    r"\b(?:your|this|the) (?:\w+ )?(?:account|access|organi[sz]ation|project|workspace|team"
    r"|api[ _-]?key|key|token|subscription|resource|deployment|tenant|user|ip(?: address)?|region"
    r"|country)\b[^.]{0,80}"
    r"\b(?:suspend|deactivat|disabl|bann?ed|blocked|terminat|restrict|revok|flagged|leaked"
    r"|not (?:allowed|permitted|authori[sz]ed|supported|enabled))"
    r"|\u8d26\u53f7|\u8d26\u6237|\u5c01\u7981",
    re.IGNORECASE,
)
#: Words of a filter that is itself out of order, or was asked for wrongly.
_OUT_OF_ORDER = re.compile(
    r"\b(?:moderation|filter\w*|guardrails?|safety \w+)\b[^.]{0,40}"
    r"\b(?:unavailable|timed? ?out|overloaded|not (?:available|configured|enabled|found)"
    r"|invalid|unknown|unsupported)",
    re.IGNORECASE,
)

_KEY_CODES = frozenset(
    as_code(code)
    for code in (
        *("API_KEY_INVALID", "invalid_api_key", "InvalidApiKey", "incorrect_api_key"),
        *("api_key_not_found", "api_key_expired", "authentication_error", "AuthenticationError"),
        *("UNAUTHENTICATED", "invalid_authentication", "invalid_authentication_error"),
        *("authentication_failed", "unauthorized", "authorized_error", "invalid_token"),
        *("missing_api_key", "no_api_key"),
    )
)
_KEY_WORDS = re.compile(
    r"\W*(?:(?:bad request|error|unauthori[sz]ed|forbidden|login fail\w*)\W+){0,2}"
    r"(?:you (?:did not|didn't|must) provide an? "
    r"|(?:the |your |an? |no )?(?:incorrect |invalid |wrong |missing |expired |valid |provided )*)"
    r"(?:api[ _-]?key|api[ _-]?secret|access[ _-]?token|auth\w*[ _-]?token|bearer token"
    r"|(?:auth\w* )?credentials?|api token|secret key)\b"
    r"(?P<rest>.{0,60})",
    re.IGNORECASE | re.DOTALL,
)
_NOT_VALID = re.compile(
    r"\b(?:incorrect|invalid|wrong|missing|expired|no|not (?:valid|found|provided|set)|revoked"
    r"|required|unknown|did(?: not|n't) provide|does not exist|must|malformed)\b",
    re.IGNORECASE,
)


def moderated(status: int, error: ErrorBody) -> str | None:
    """What names the filter that stopped a prompt or an answer; `None` where it is something else.

    Args:
        status: HTTP status; where the error came in an answer of status 200, the one it stands for.
        error: What the body says.
    """
    said = error.message[:OPENING]
    if _ACCOUNT.search(said):
        return None
    if error.codes & _CODES or any(map(_PART_OF_CODE.search, error.codes)):
        return "content_filter"
    if status in _NOT_OF_THE_PROMPT:
        return None
    if (named := _FILTER_STATUSES.get(status)) is not None:
        return named
    if status >= 500:  # a filter that is down is no verdict of it
        return None
    worded = bool(_WORDS.search(said)) and not _OUT_OF_ORDER.search(said)
    if _UNCLEAR in error.codes and (worded or not said or "safety" in said.lower()):
        return "invalid_prompt"
    if worded or (error.filtered and status in (400, 403, 422)):
        return "moderation"
    return "moderation" if error.codes & _NUMBERS and not said else None


def wrong_key(status: int, error: ErrorBody) -> bool:
    """Whether an error is about the key, though its status is one of the request's form."""
    if status >= 500 or status in (402, 404, 429):
        return False
    if error.codes & _KEY_CODES:
        return True
    said = error.message[:OPENING].replace("%20", " ")
    found = _KEY_WORDS.match(said)
    return bool(found and _NOT_VALID.search(found[0]))
