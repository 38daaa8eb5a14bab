"""What is said of a choice among guards, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.answered import format_share
from vlsu.report.table import format_rate

__all__ = [
    "THINGS",
    "amount",
    "enumerated",
    "fine",
    "notes",
    "percentage",
    "sentences",
    "share_of_million",
    "shown_deployed",
    "shown_threshold",
]

Tree = Mapping[str, Any]

#: Why there is no answer, where its name does not say so.
_OUTCOMES = {"without_p": "without a probability"}
#: Modality -> what is graded.
THINGS = {"image": "images", "text": "texts", "joint": "pairs"}


def percentage(share: float) -> str:
    """``5%``, ``0.25%``.

    Example:
        >>> percentage(0.05), percentage(0.0025)
        ('5%', '0.25%')
    """
    return f"{100 * share:.4g}%"


def amount(number: float) -> str:
    """To three digits, in full: ``12,300``."""
    return f"{float(f'{number:.3g}'):,.10g}"


def share_of_million(rate: Tree) -> str:
    """A count with its interval: ``312 [240, 401]``."""
    if rate["value"] is None:
        return "–"
    value, low, high = (amount(rate[key]) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def fine(rate: Tree, about: float) -> str:
    """A rate that may be as small as a bound or a prevalence: with a digit more than that has."""
    return format_rate(Rate.from_json(rate), max(2, 1 + math.ceil(-math.log10(about))))


def shown_threshold(threshold: float | None, above: float | None = None) -> str:
    """``p >= 0.731``, which flags what the threshold itself flags.

    Rounded down, as what is rounded up would not flag the score that the threshold is; with so many
    digits that it is above the score below, or, where that is not known, within a hundredth of the
    way to 0 or 1.

    Args:
        threshold: One of the scores; `None` where none will do.
        above: The largest score that it does not flag, if known.

    Example:
        >>> shown_threshold(2 / 3, 1 / 3), shown_threshold(0.73149, 0.73142)
        ('p >= 0.666', 'p >= 0.73149')
    """
    if threshold is None:
        return "no threshold"
    exact = Decimal(repr(threshold))
    room = min(exact, 1 - exact) / 100
    for digits in range(3, 17):
        shown = exact.quantize(Decimal(1).scaleb(-digits), ROUND_FLOOR)
        if float(shown) > above if above is not None else exact - shown <= room:
            return f"p >= {shown:f}"
    return f"p >= {exact:f}"


def shown_deployed(rule: Tree) -> str:
    """A rule's threshold to deploy, in the fewest digits that flag the same samples."""
    return shown_threshold(rule["deploy"], rule["deploy_above"])


def enumerated(names: Sequence[str]) -> str:
    """``A, B and C``."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def sentences(result: Tree) -> list[str]:
    """The choice and what it rests on, the most important first."""
    bound = percentage(result["max_false_flags"])
    choice = result["choice"]
    if choice["guard"] is None:
        said = [f"No guard is chosen: {choice['why']}."]
        withheld = [each["name"] for each in result["guards"] if each["withheld"] is not None]
        if 0 < len(withheld) < len(result["guards"]):
            said[0] += f" Without {enumerated(withheld)} one can be."
    else:
        said = _chosen(result, choice, bound)
    said += _above(result, choice, bound)
    if (cheapest := result["cheapest"]) is not None:
        said += _cheapest(result, cheapest)
    if (missed := result["missed_by_all"]) and missed["n"] and len(missed["guards"]) > 1:
        said.append(_missed(result, missed))
    return said


def notes(result: Tree) -> list[str]:
    """What must be known beside the choice."""
    said = [f"{each['name']} {each['reason']}." for each in result["not_comparable"]]
    said += [f"{each['name']}: {each['note']}." for each in result["guards"] if each["note"]]
    for each in result["guards"]:
        missing = each["missing"]
        if count := missing["harmful"] + missing["harmless"]:
            why = ", ".join(f"{n:,} {_OUTCOMES.get(o, o)}" for o, n in missing["outcomes"].items())
            line = (
                f"{each['name']} has no answer to {count:,} of {result['samples']['n']:,} samples "
                f"({why}): the harmful ones count as not flagged, the harmless ones as flagged."
            )
            if each["auroc"] and (area := each["auroc"]["all"])["value"] is not None:
                line += (
                    f" Its AUROC of {area['value']:.2f} would be {area['if_missing_right']:.2f} if "
                    "all of them were right."
                )
            said.append(line)
    if ungraded := result["samples"]["ungraded"]:
        said.append(f"{ungraded:,} samples have no gold grade and are left out.")
    if result["event"] == "not-safe":
        said.append(
            "What is not safe should be flagged, and the score is still the probability of unsafe."
        )
    return said


def _chosen(result: Tree, choice: Tree, bound: str) -> list[str]:
    name = choice["guard"]
    tree = _guard(result, name)
    rule = _rule(tree)
    recall = format_rate(Rate.from_json(rule["recall"]))
    alike = [
        each["name"]
        for each in result["guards"]
        if each["name"] not in (name, *choice["above"])
        and _rule(each)["recall"]["value"] == rule["recall"]["value"]
    ]
    said = f"With at most {bound} of what is harmless flagged, "
    if len(result["guards"]) == 1:
        said += f"{name} has a recall of {recall}"
    elif alike:
        said += f"{enumerated([name, *alike])} have the same recall, the largest: {recall}"
    else:
        said += f"{name} has the largest recall: {recall}"
    said += ", held out." if tree["thresholds"] else ", by its verdicts."
    subject = name if alike else "It"
    if choice["over"]:
        said += f" {subject} can be claimed over {enumerated(choice['over'])}."
    if others := [other for other in choice["open"] if other not in alike]:
        said += f" {subject} cannot be claimed over {enumerated(others)}."
    found = [said]
    if tree["thresholds"]:
        found.append(_deployed(tree, bound))
        found.append(_kept(rule, bound))
    if line := _families(rule, name):
        found.append(line)
    return found


def _deployed(tree: Tree, bound: str) -> str:
    rules = tree["thresholds"]
    deploy = shown_deployed(rules["max_false_flags"])
    said = (
        f"To deploy: {tree['name']} at {deploy}, chosen on all samples; its figures here are those "
        "of thresholds chosen on one half and reported on the other."
    )
    assured = rules["assured"]
    if assured["deploy"] is None:
        return (
            f"{said} No threshold is sure, at 95%, to keep to {bound}: there are too few samples."
        )
    sure = f"{said} To be sure at 95% that at most {bound} are flagged: {shown_deployed(assured)}"
    if any(half["threshold"] is None for half in assured["halves"]):
        return (
            f"{sure}; a half alone has too few samples to choose one, so its recall is not known."
        )
    return f"{sure}, with a recall of {format_rate(Rate.from_json(assured['recall']))}."


def _kept(rule: Tree, bound: str) -> str:
    rate = fine(rule["false_flags"], rule["bound"]["max_false_flags"])
    held = rule["bound"]["verdict"]
    how = {
        "holds": f"the bound of {bound} holds",
        "exceeded": f"the bound of {bound} does not hold",
        "open": f"whether the bound of {bound} holds is open",
    }[held]
    halves = " and ".join(f"{half['false_flags']['value']:.3f}" for half in rule["halves"])
    excess = f"{100 * rule['expected_excess']['deploy']:.2g}"
    return (
        f"Its held-out false-flag rate is {rate} ({halves} by half): {how}. A threshold chosen so "
        "has a true rate above the bound about as often as not, and its mean is above by up to "
        f"{excess} points."
    )


def _families(rule: Tree, name: str) -> str:
    recalls = {
        family: Rate.from_json(part["recall"])
        for family, part in rule["families"].items()
        if part["recall"]["value"] is not None
    }
    if "escalating" not in recalls or len(recalls) < 2:
        return ""
    others = ", ".join(
        f"{format_rate(rate)} of {family} ones"
        for family, rate in recalls.items()
        if family != "escalating"
    )
    return (
        f"Of the harmful pairs that are harmful only together (escalating), {name} flags "
        f"{format_rate(recalls['escalating'])}; {others}."
    )


def _above(result: Tree, choice: Tree, bound: str) -> list[str]:
    said = []
    for name in choice["above"]:
        rate = fine(_guard(result, name)["verdicts"]["false_flags"], result["max_false_flags"])
        said.append(
            f"{name} has verdicts alone and flags {rate} of what is harmless, more than {bound}: "
            "it is compared there, with the others brought to its rate."
        )
    return said


def _cheapest(result: Tree, cheapest: Tree) -> list[str]:
    name = cheapest["guard"]
    if name is None:
        if cheapest["why"] == result["choice"]["why"]:
            return ["Nor is the least cost told, for the same reason."]
        return [f"The least cost is not told: {cheapest['why']}."]
    tree = _guard(result, name)
    rule = tree["thresholds"]["least_cost"] if tree["thresholds"] else tree["verdicts"]
    costs = result["costs"]
    if not tree["thresholds"]:
        at = "by its verdicts"
    elif cheapest["threshold"] is None:
        at = "flagging nothing"
    else:
        at = f"at {shown_deployed(rule)}"
    cost = rule["cost_per_million"]
    said = (
        f"Least cost at {percentage(result['prevalence'])} harmful, {amount(costs['missed'])} for "
        f"one missed and {amount(costs['blocked'])} for one blocked: {name} {at}, "
        f"{share_of_million(cost)} a million requests."
    )
    if cheapest["over"]:
        said += f" It is claimed to be cheaper than {enumerated(cheapest['over'])}."
    nothing, everything = (cheapest[key] for key in ("flag_nothing", "flag_everything"))
    said += f" To flag nothing costs {amount(nothing)}, to flag everything {amount(everything)}"
    if cost["value"] >= min(nothing, everything):
        said += ": no guard is cheaper"
    elif cost["high"] >= min(nothing, everything):
        said += ": whether that guard is cheaper is open"
    return [f"{said}."]


def _missed(result: Tree, missed: Tree) -> str:
    worst = sorted(
        (part["n"] / part["of"], name) for name, part in missed["patterns"].items() if part["n"]
    )
    said = (
        f"{missed['n']:,} of {missed['of']:,} harmful {THINGS[result['modality']]} are flagged by "
        "none of the guards compared"
    )
    if worst:
        share, name = worst[-1]
        said += f", the largest share of {name} ({format_share(share)})"
    return f"{said}."


def _rule(tree: Tree) -> Tree:
    """What a guard is judged by: its threshold within the bound, or its verdicts."""
    rule: Tree = tree["thresholds"]["max_false_flags"] if tree["thresholds"] else tree["verdicts"]
    return rule


def _guard(result: Tree, name: str) -> Tree:
    found: Tree = next(tree for tree in result["guards"] if tree["name"] == name)
    return found
