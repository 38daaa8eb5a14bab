"""What adaptive grades save: accuracy of the consensus against the grades that it took.

Each item gets three grades, or five, or three and up to two more where the rule of
`vlsu.annotate.consensus.certainty` is not sure, from simulated graders whose quality is known. The
consensus is the most frequent severity; where several are, no severity is right, as an adjudicator
would have to decide. Beside these stands three with a random share of the items getting two more,
at the number of grades that the adaptive rule took: what is left is what the rule itself is worth.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.writing import markdown, percent, write_report
from vlsu.analysis.agreement.coefficients import Votes, alpha
from vlsu.annotate.consensus.certainty import certainty
from vlsu.annotate.consensus.majority import Vote
from vlsu.annotate.plan.settings import Adaptive
from vlsu.policy import Severity

LABELS = [severity.label for severity in Severity]
RULE = Adaptive(first=3, most=5)
ITEMS = 2000
#: Shares of safe, borderline and unsafe items.
MIX = (0.45, 0.2, 0.35)

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Team:
    """Simulated graders.

    Attributes:
        name: For the table.
        skills: How often each is right on an item of mean difficulty.
        spread: By how much that differs between items, up and down: hard items are hard for all.
        near: Share of the errors that are one step away, where there is a choice.
    """

    name: str
    skills: tuple[float, ...]
    spread: float = 0.0
    near: float = 0.5


TEAMS = (
    Team("all right in 90%", (0.9,) * 12),
    Team("all right in 80%", (0.8,) * 12),
    Team("all right in 70%", (0.7,) * 12),
    Team("mixed, 60 to 95%", (0.95, 0.9, 0.9, 0.85, 0.85, 0.8, 0.8, 0.75, 0.75, 0.7, 0.65, 0.6)),
    Team("80%, of easy and hard items (60 to 100%)", (0.8,) * 12, spread=0.2),
    Team("80%, errors one step away in 90%", (0.8,) * 12, near=0.9),
    Team("mixed, easy and hard items, near errors",
         (0.95, 0.9, 0.9, 0.85, 0.85, 0.8, 0.8, 0.75, 0.75, 0.7, 0.65, 0.6), 0.2, 0.9),
)  # fmt: skip


def graded(random: np.random.Generator, team: Team, items: int) -> tuple[Ints, Ints]:
    """The truth, shape ``(items,)``, and five grades by different graders, ``(items, 5)``."""
    truth = random.choice(3, size=items, p=MIX)
    graders = random.random((items, len(team.skills))).argpartition(5, axis=1)[:, :5]
    ease = random.choice([-1.0, 1.0], size=(items, 1)) * team.spread
    chance = np.clip(np.asarray(team.skills)[graders] + ease, 0.0, 1.0)
    right = random.random((items, 5)) < chance
    step = random.random((items, 5)) < team.near
    # Of safe and unsafe the near error is borderline; of borderline either is as near.
    either = np.where(random.random((items, 5)) < 0.5, 0, 2)
    far = np.where(truth == 0, 2, 0)[:, None]
    wrong = np.where(truth[:, None] == 1, either, np.where(step, 1, far))
    return truth, np.where(right, truth[:, None], wrong)


def votes_after(grades: Ints, number: int) -> Ints:
    """Votes by severity after so many grades; shape ``(items, 3)``."""
    hits: Ints = grades[:, :number, None] == np.arange(3)
    return hits.sum(axis=1)


def sure(votes: Ints) -> NDArray[np.bool_]:
    """Whether the rule asks for no more: looked up for each combination of votes."""
    kinds, entry = np.unique(votes, axis=0, return_inverse=True)
    found = [
        certainty(
            [Vote(label) for label, n in zip(LABELS, kind, strict=True) for _ in range(n)],
            RULE.accuracy,
        )
        >= RULE.sure
        for kind in kinds.tolist()
    ]
    return np.asarray(found)[entry.ravel()]


def adaptive(grades: Ints) -> Ints:
    """How many grades each item gets by the rule; shape ``(items,)``."""
    number = np.full(len(grades), RULE.first)
    for so_far in range(RULE.first, RULE.most):
        open_ = (number == so_far) & ~sure(votes_after(grades, so_far))
        number[open_] += 1
    return number


def right(grades: Ints, number: Ints, truth: Ints) -> NDArray[np.bool_]:
    """Whether the sole most frequent severity of each item's first grades is the truth."""
    votes = np.zeros((len(truth), 3), dtype=np.int64)
    for each in range(RULE.first, RULE.most + 1):
        votes[number == each] = votes_after(grades, each)[number == each]
    most = votes.max(axis=1)
    sole = (votes == most[:, None]).sum(axis=1) == 1
    found: NDArray[np.bool_] = sole & (votes.argmax(axis=1) == truth)
    return found


def ordinal_alpha(grades: Ints, number: Ints) -> float:
    """Krippendorff's alpha of each item's first grades."""
    votes = np.zeros((len(grades), 3), dtype=np.int64)
    for each in range(RULE.first, RULE.most + 1):
        votes[number == each] = votes_after(grades, each)[number == each]
    sums = Votes.features(votes).sum(axis=0)
    return float(alpha(Votes.from_features(sums, 3), ordinal=True).coefficient)


def measured(team: Team, seed: int) -> dict[str, tuple[float, float, float]]:
    """Design -> grades an item, share of items whose consensus is right, and alpha."""
    random = np.random.default_rng(seed)
    truth, grades = graded(random, team, ITEMS)
    chosen = adaptive(grades)
    share = (chosen.mean() - RULE.first) / (RULE.most - RULE.first)
    drawn = np.where(random.random(ITEMS) < share, RULE.most, RULE.first)
    designs = {
        "3": np.full(ITEMS, RULE.first),
        "3 or 5 at random": drawn,
        "3:5": chosen,
        "5": np.full(ITEMS, RULE.most),
    }
    return {
        name: (
            float(number.mean()),
            float(right(grades, number, truth).mean()),
            ordinal_alpha(grades, number),
        )
        for name, number in designs.items()
    }


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean over projects, and its 95% interval."""
    half = 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5
    mean = float(np.mean(values))
    return mean, mean - half, mean + half


def report(projects: int) -> str:
    rows, saved = [], []
    for team in TEAMS:
        found = [measured(team, seed) for seed in range(projects)]
        for design in found[0]:
            number = float(np.mean([each[design][0] for each in found]))
            mean, low, high = interval([each[design][1] for each in found])
            rows.append(
                [
                    team.name,
                    design,
                    f"{number:.2f}",
                    f"{percent(mean)} [{percent(low)}, {percent(high)}]",
                    f"{np.mean([each[design][2] for each in found]):.3f}",
                ]
            )
        # Of what two more grades for all gain, how much the rule has, and for how many of them.
        gain = [
            (each["3:5"][1] - each["3"][1]) / (each["5"][1] - each["3"][1])
            for each in found
            if each["5"][1] > each["3"][1]
        ]
        grades = [1 - each["3:5"][0] / each["5"][0] for each in found]
        lost = interval([each["5"][1] - each["3:5"][1] for each in found])
        chance = interval([each["3:5"][1] - each["3 or 5 at random"][1] for each in found])
        saved.append(
            [
                team.name,
                f"{percent(float(np.mean(grades)))}%",
                f"{percent(float(np.median(gain)))}%",
                *(
                    f"{percent(mean)} [{percent(low)}, {percent(high)}]"
                    for mean, low, high in (lost, chance)
                ),
            ]
        )
    return "\n".join(
        [
            "# Adaptive grades\n",
            f"Accuracy of the consensus in percent, over {projects} simulated projects of "
            f"{ITEMS:,} items ({' / '.join(f'{share:.0%}' for share in MIX)} safe, borderline, "
            "unsafe), with 95% intervals of the mean over projects; seeds 0 on. Grades are of "
            "different graders. `python -m benchmarks.annotate_adaptive`\n",
            "The rule: after 3 grades one more, and after 4 another, while the leading severity "
            f"has a probability below {RULE.sure} if graders are right in {RULE.accuracy:.0%}. "
            "Without *not sure*: after 3 that is every item that is not unanimous, after 4 those "
            "at 2 to 2 and 2 to 1 to 1.\n",
            "Nothing is lost against five for all, and that is arithmetic: two more grades cannot "
            "outvote three that agree, nor one more outvote three of four. What is saved is a "
            "fifth to a third of the grades of five, not of three: against three, the rule costs "
            "a tenth to a third more. The accuracy of a project whose graders share their errors "
            "on hard items gains little from any number of grades (rows with easy and hard "
            "items). And the items that get more grades are those that are disputed, so that "
            "alpha over all grades is biased: too high by up to 0.025 where graders err by "
            "themselves, too low by up to 0.05 where items are hard for all. `vlsu annotate "
            "quality` computes it from the first three, which are those of row 3.\n",
            markdown(
                [
                    "graders",
                    "grades saved against 5",
                    "gain of 5 over 3 that is kept",
                    "accuracy lost against 5, points",
                    "gained over as many grades at random, points",
                ],
                saved,
            ),
            "## By design\n",
            markdown(["graders", "design", "grades an item", "consensus right, %", "alpha"], rows),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--projects", type=int, default=200)
    options = parser.parse_args()
    write_report("annotate_adaptive", lambda: report(options.projects))


if __name__ == "__main__":
    main()
