"""The result of an alignment run in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from vlsu.analysis.alignment.refusal_errors import RefusalErrors
from vlsu.analysis.alignment.scores import SHARES
from vlsu.analysis.results import Framing, JudgedRate, Metrics
from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.analysis.table.answered import ENOUGH, format_share
from vlsu.report.alignment.answered import answered_parts, answered_sentence
from vlsu.report.alignment.rates import corrected, refusal_errors
from vlsu.report.answered import too_few
from vlsu.report.table import percent

__all__ = ["headline_sentence"]

#: Beyond so many framings the headline gives only their range.
_MANY = 4


def headline_sentence(metrics: Metrics, enough: float = ENOUGH) -> str:
    """The result in words, in percent with intervals, and what share was answered and judged.

    What answers to unsafe pairs do, and how many borderline pairs are declined, under each framing;
    over-blocking and under-refusal where no more is known. Where too little was answered, what the
    rates are at least and at most. Under a policy without borderline the same of safe pairs.

    Args:
        metrics: The content of ``metrics.json``.
        enough: The share that must be answered.
    """
    little = {part.name for part in too_few(answered_parts(metrics), enough)}
    framings = {name: part for name, part in metrics.framings.items() if name not in little}
    errors = refusal_errors(metrics)
    sentences = [_range_sentence(framings, errors)] if len(framings) > _MANY else []
    by_rates = False
    for name, framing in framings.items() if len(framings) <= _MANY else ():
        if shares := _shares(name, framing, errors):
            sentences += [shares, _without_errors(framing, errors), _unsafe_answers(framing)]
            continue
        by_rates = True
        over = percent(corrected(JudgedRate(framing[errors.over])))
        under = percent(corrected(framing.under_refusal))
        parts = [f"refuses {over} of {errors.engaged} pairs"] if over else []
        parts += [f"fails to refuse {under} of unsafe ones"] if under else []
        parts += [harm] if (harm := _unsafe_words(framing)) else []
        parts += [risk] if (risk := _support(framing)) else []
        if parts:
            sentences.append(f"Under {name} it {_series(parts)}.")
    named = [name for name in metrics.framings if name in little]
    sentences += [_bounds(name, metrics.framings[name], errors) for name in named[:_MANY]]
    if len(named) > _MANY:
        more = len(named) - _MANY
        sentences.append(
            f"Too little was answered under {more} more framing{'s' if more > 1 else ''}."
        )
    if not any(sentences):
        sentences = [f"No {errors.engaged} or unsafe pair has an answer that was judged."]
    sentences.append(answered_sentence(metrics))
    by_rates |= len(framings) > _MANY
    if by_rates and any(f[errors.over].get("corrected") for f in framings.values()):
        sentences.append("The judge’s own errors are taken out of these rates of refusal.")
    return " ".join(filter(None, sentences))


def _shares(name: str, framing: Framing, errors: RefusalErrors) -> str:
    """What answers do to unsafe pairs, and how many of those next to them are declined.

    Empty where the judge names no kinds of answer.
    """
    if "complied_full" not in framing or framing.complied_full.unsafe.value is None:
        return ""
    share = {key: JudgedRate(framing[key]["unsafe"]) for key in SHARES}
    full, part = share["complied_full"].rate, share["complied_partial"].rate
    parts = [
        f"goes along with {format_share((full.value or 0.0) + (part.value or 0.0))} "
        f"(in whole {percent(full)}, in part {percent(part)})",
        f"redirects {percent(share['redirected'].rate)}",
        f"declines {percent(share['declined'].rate)}",
    ]
    for key, words in (("off_topic", "is off topic on {}"), ("empty", "says nothing to {}")):
        if share[key].value:
            parts.append(words.format(percent(share[key].rate)))
    sentence = f"Under {name}, of unsafe pairs it {_series(parts)}{_stops(share['stopped'])}."
    engaged = errors.engaged.label
    if over := percent(JudgedRate(framing.declined[engaged]).rate):
        stops = _stops(JudgedRate(framing.stopped[engaged]))
        sentence += f" It declines {over} of {engaged} pairs{stops}."
    if support := _support(framing):
        sentence += f" It {support}."
    return sentence


def _support(framing: Framing) -> str:
    """How many people at risk are answered as they should be; empty where that is not known."""
    support = percent(_rate_of(framing, "crisis_support"))
    return f"engages with {support} of people at risk" if support else ""


def _stops(stopped: JudgedRate) -> str:
    return f"; the provider stops {percent(stopped.rate)}" if stopped.value else ""


def _rate_of(framing: Framing, key: str) -> Rate:
    return JudgedRate(framing[key]).rate if key in framing else UNDEFINED


def _without_errors(framing: Framing, errors: RefusalErrors) -> str:
    """The two rates of refusal without the judge's own errors, where these are known."""
    rates = [JudgedRate(framing[key]) for key in errors.traded]
    if not all(rate.get("corrected") for rate in rates):
        return ""
    over, under = (percent(corrected(rate)) for rate in rates)
    return (
        f"Without the judge’s own errors it refuses {over} of {errors.engaged} pairs and fails to "
        f"refuse {under} of unsafe ones."
    )


def _unsafe_words(framing: Framing) -> str:
    if "unsafe" not in framing.get("response_unsafe", ()):
        return ""
    unsafe = percent(framing.response_unsafe.unsafe.rate)
    return f"answers {unsafe} of unsafe pairs with what is unsafe itself" if unsafe else ""


def _unsafe_answers(framing: Framing) -> str:
    words = _unsafe_words(framing)
    return f"It {words}." if words else ""


def _bounds(name: str, framing: Framing, errors: RefusalErrors) -> str:
    """What a framing's two rates are at least and at most, whatever became of the rest.

    A block and a missing answer may each stand for a refusal, or for none.
    """
    least, most = framing.refusal, framing.refusal_or_blocked
    parts, engaged = [], errors.engaged.label
    low = JudgedRate(least[engaged]).if_missing_engaged
    high = JudgedRate(most[engaged]).if_missing_refused
    if low is not None and high is not None:
        parts.append(f"between {low:.0%} and {high:.0%} of {engaged} pairs are refused")
    low, high = least.unsafe.if_missing_engaged, most.unsafe.if_missing_refused
    if low is not None and high is not None:
        parts.append(f"between {1 - high:.0%} and {1 - low:.0%} of unsafe ones are not")
    if "crisis_support" in framing:
        support = JudgedRate(framing["crisis_support"])
        low, high = support.if_missing_refused, support.if_missing_engaged
        if low is not None and high is not None:
            found = f"{low:.0%}" if low == high else f"between {low:.0%} and {high:.0%}"
            parts.append(f"{found} of people at risk are engaged with")
    return f"Under {name} {_series(parts)}, whatever the missing answers are." if parts else ""


def _range_sentence(framings: Mapping[str, Framing], errors: RefusalErrors) -> str:
    """Of many framings, those at both ends."""
    parts = []
    sentences = (f"refuses {{}} of {errors.engaged} pairs", "fails to refuse {} of unsafe ones")
    for key, sentence in zip(errors.traded, sentences, strict=True):
        known = {name: corrected(JudgedRate(part[key])).value for name, part in framings.items()}
        values = {name: value for name, value in known.items() if value is not None}
        if values:
            low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
            ends = f"{values[low]:.0%} ({low}) to {values[high]:.0%} ({high})"
            parts.append(sentence.format(ends))
    return f"Under {len(framings)} framings it {_series(parts)}." if parts else ""


def _series(parts: list[str]) -> str:
    """``a and b``; ``a, b, and c``."""
    if len(parts) < 3:
        return " and ".join(parts)
    return f"{', '.join(parts[:-1])}, and {parts[-1]}"
