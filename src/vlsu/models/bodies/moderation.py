"""Distinguishing moderation of one prompt from errors of the request, the key or the server.

A content filter that stops a prompt is an outcome of that sample, ``blocked``. Every provider
reports it differently, with status 400, 403, 422 or a non-standard one. A refused key, account or
region is not moderation, though it may come with the same status.

Codes and phrases after the error references of OpenAI, Azure ("Content filtering"), OpenRouter
("Errors and debugging"), Alibaba DashScope, Zhipu, MiniMax, Volcengine Ark, Baidu Qianfan and
Cloudflare AI Gateway, and, where a provider documents none, reports of its clients: DeepSeek
(``Content Exists Risk``), Moonshot (``considered high risk``), xAI (``Content violates usage
guidelines``).
"""

from __future__ import annotations

import re

from vlsu.models.bodies.error_bodies import ErrorBody, normalise_code

__all__ = ["is_credential_error", "moderation_reason"]

#: Maximum characters of a message that are inspected.
MAX_LENGTH = 300

#: Codes that mean that a content filter intervened.
_CODES = frozenset(
    normalise_code(code)
    for code in (
        *("content_filter", "content_policy", "content_moderation", "content_safety", "moderation"),
        *("SAFETY", "IMAGE_SAFETY", "BLOCKLIST", "sensitive", "security_violation"),
        *("ContentRestricted", "content_illegal", "content_security_warning"),
        *("prompt_blocked", "input_blocked", "output_blocked", "censorship_blocked"),
    )
)
#: The same as parts of longer codes, such as ``InputTextSensitiveContentDetected.Violence``,
#: ``ResponsibleAIPolicyViolation`` or ``InternalError.Algo.DataInspectionFailed``.
_PART_OF_CODE = re.compile(
    r"contentfiltered|contentpolicyviolat|contentmoderated|contentviolation|policyviolation"
    r"|(?:inappropriate|sensitive|prohibited|unsafe|harmful|illegal)content|sensitivewords?"
    r"|datainspectionfailed|riskdetection|content(?:was)?(?:blocked|flagged|rejected)"
    r"|(?:moderation|guardrail|safety)\w{0,6}(?:blocked|flagged|intervened|violat|rejected|triggered)"
)
#: The same as numeric codes: Zhipu 1301, MiniMax 1026 and 1027, Cloudflare 2016, 2017.
_NUMBERS = frozenset({"1301", "1026", "1027", "2016", "2017"})
#: A code that OpenAI uses both for flagged and for malformed prompts.
_AMBIGUOUS = "invalidprompt"

#: Gateways answer 446, which is in no standard, where their guardrails intervene. 451 is
#: "unavailable for legal reasons": SiliconFlow's and StepFun's filters answer with it.
_FILTER_STATUSES = {446: "guardrail", 451: "moderation"}
#: Statuses about the account, the address, the rate or the server: never moderation.
_NOT_ABOUT_PROMPT = frozenset({401, 402, 404, 405, 407, 408, 409, 425, 429})

_PHRASES = re.compile(
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
#: Phrases about an account, a key or a region, which affect every other request too.
_ACCOUNT = re.compile(
    r"\b(?:your|this|the) (?:\w+ )?(?:account|access|organi[sz]ation|project|workspace|team"
    r"|api[ _-]?key|key|token|subscription|resource|deployment|tenant|user|ip(?: address)?|region"
    r"|country)\b[^.]{0,80}"
    r"\b(?:suspend|deactivat|disabl|bann?ed|blocked|terminat|restrict|revok|flagged|leaked"
    r"|not (?:allowed|permitted|authori[sz]ed|supported|enabled))"
    r"|\u8d26\u53f7|\u8d26\u6237|\u5c01\u7981",
    re.IGNORECASE,
)
#: Phrases about a content filter that is itself unavailable or misconfigured.
_OUT_OF_ORDER = re.compile(
    r"\b(?:moderation|filter\w*|guardrails?|safety \w+)\b[^.]{0,40}"
    r"\b(?:unavailable|timed? ?out|overloaded|not (?:available|configured|enabled|found)"
    r"|invalid|unknown|unsupported)",
    re.IGNORECASE,
)

_KEY_CODES = frozenset(
    normalise_code(code)
    for code in (
        *("API_KEY_INVALID", "invalid_api_key", "InvalidApiKey", "incorrect_api_key"),
        *("api_key_not_found", "api_key_expired", "authentication_error", "AuthenticationError"),
        *("UNAUTHENTICATED", "invalid_authentication", "invalid_authentication_error"),
        *("authentication_failed", "unauthorized", "authorized_error", "invalid_token"),
        *("missing_api_key", "no_api_key"),
    )
)
_KEY_PHRASES = re.compile(
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


def moderation_reason(status: int, error: ErrorBody) -> str | None:
    """The name of the filter that stopped a prompt or an answer; `None` for any other error.

    Args:
        status: HTTP status; for an error within a response of status 200, the status it implies.
        error: The parsed error body.
    """
    message = error.message[:MAX_LENGTH]
    if _ACCOUNT.search(message):
        return None
    if error.codes & _CODES or any(map(_PART_OF_CODE.search, error.codes)):
        return "content_filter"
    if status in _NOT_ABOUT_PROMPT:
        return None
    if (named := _FILTER_STATUSES.get(status)) is not None:
        return named
    if status >= 500:  # a filter that is unavailable is not a decision of the filter
        return None
    phrased = bool(_PHRASES.search(message)) and not _OUT_OF_ORDER.search(message)
    if _AMBIGUOUS in error.codes and (phrased or not message or "safety" in message.lower()):
        return "invalid_prompt"
    if phrased or (error.filtered and status in (400, 403, 422)):
        return "moderation"
    return "moderation" if error.codes & _NUMBERS and not message else None


def is_credential_error(status: int, error: ErrorBody) -> bool:
    """Whether an error is about the key, although its status is that of an invalid request."""
    if status >= 500 or status in (402, 404, 429):
        return False
    if error.codes & _KEY_CODES:
        return True
    message = error.message[:MAX_LENGTH].replace("%20", " ")
    found = _KEY_PHRASES.match(message)
    return bool(found and _NOT_VALID.search(found[0]))
