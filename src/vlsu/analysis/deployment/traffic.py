"""The mix of a deployment's requests: shares of severities, patterns and categories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vlsu.analysis.stats.mix import EstimatedMix
from vlsu.analysis.table.patterns import natural_order
from vlsu.errors import UsageError
from vlsu.policy import Pattern, Severity

__all__ = ["WITHOUT_CATEGORY", "Stratum", "Traffic"]

#: Under ``categories``, the requests without one: the safe ones, as a rule.
WITHOUT_CATEGORY = "none"


@dataclass(frozen=True, slots=True)
class Stratum:
    """Requests with the same expected outcome: one severity, and within it perhaps one part.

    Attributes:
        severity: The gold joint grade.
        group: What the file gives a share of all requests: a severity, a pattern, a category,
            ``harmful`` or ``harmless``.
        whole: Share of the group in all requests, in [0, 1].
        inner: Share of the stratum in its group, above 0.
        pattern: If it is one pattern.
        category: If it is one gold joint category, or `WITHOUT_CATEGORY`.
    """

    severity: Severity
    group: str
    whole: float
    inner: float = 1.0
    pattern: str | None = None
    category: str | None = None

    @property
    def share(self) -> float:
        """Of all requests; 0 only where it was estimated."""
        return self.whole * self.inner

    @property
    def name(self) -> str:
        """Such as ``unsafe``, ``S-S-U``, ``unsafe C9`` or ``safe without category``."""
        category = "without category" if self.category == WITHOUT_CATEGORY else self.category
        return self.pattern or " ".join(filter(None, (self.severity.label, category)))


@dataclass(frozen=True, slots=True)
class Traffic:
    """Shares of all requests; made by `read_traffic`.

    Attributes:
        where: Name of the file, for messages.
        severities: Severity -> share of all requests; sums to 1. `None` where only the share of
            harm is known.
        harm: Share of unsafe requests, in [0, 1]; `None` with `categories`.
        parts: Severity -> kind of part (``patterns`` or ``categories``) -> its shares within the
            severity, which sum to 1. A severity that is not there is as it is in the run.
        categories: Category (`WITHOUT_CATEGORY` for requests without one) -> share of all requests;
            severities within it are as in the run. `None` where severities are given.
        patterns: Pattern -> share of all requests, where these are given.
        of: Requests that the shares were counted in; `None` where they are known.
        within_of: Severity -> requests of it that its parts were counted in, where that is so.
    """

    where: str
    severities: Mapping[Severity, float] | None
    harm: float | None
    parts: Mapping[Severity, tuple[str, Mapping[str, float]]]
    categories: Mapping[str, float] | None = None
    patterns: Mapping[str, float] | None = None
    of: float | None = None
    within_of: Mapping[Severity, float] = field(default_factory=dict)

    @property
    def estimated(self) -> bool:
        """Whether any of the shares was counted in a sample of requests."""
        return self.of is not None or bool(self.within_of)

    def mix(self, strata: Sequence[Stratum]) -> EstimatedMix:
        """How the shares of these strata vary.

        Args:
            strata: As `strata` gave them.
        """
        groups = list(dict.fromkeys(stratum.group for stratum in strata))
        whole = {stratum.group: stratum.whole for stratum in strata}
        inner_of = {
            s.group: self.within_of[s.severity] for s in strata if s.severity in self.within_of
        }
        return EstimatedMix(
            group=np.array([groups.index(stratum.group) for stratum in strata]),
            top=np.array([whole[group] for group in groups]),
            top_of=self.of,
            inner=np.array([stratum.inner for stratum in strata]),
            inner_of={groups.index(group): of for group, of in inner_of.items()},
        )

    def strata(self, samples: Mapping[tuple[Severity, str], int]) -> list[Stratum]:
        """The strata with a share above 0, or with one that was counted, from mild to severe.

        What was not seen in 20,000 requests may be one in 6,000.

        Args:
            samples: Severity and category (`WITHOUT_CATEGORY` for none) -> graded samples of the
                run: they divide what the file does not.

        Raises:
            UsageError: The run has no samples to divide by.
        """
        strata = filter(self._may_occur, self._all_strata(samples))
        return sorted(strata, key=lambda stratum: stratum.severity)

    def _may_occur(self, stratum: Stratum) -> bool:
        whole = stratum.whole > 0 or self.of is not None
        return whole and (stratum.inner > 0 or stratum.severity in self.within_of)

    def _all_strata(self, samples: Mapping[tuple[Severity, str], int]) -> Iterator[Stratum]:
        if self.categories is not None:
            yield from self._of_categories(self.categories, samples)
        elif self.patterns is not None:
            for name, share in self.patterns.items():
                yield Stratum(Pattern.parse(name).joint, name, share, pattern=name)
        else:
            for severity, (group, whole, inner) in self._severities(samples).items():
                kind, parts = self.parts.get(severity, ("", {"": 1.0}))
                for name, part in parts.items():
                    yield Stratum(
                        severity,
                        group,
                        whole,
                        inner * part,
                        pattern=name if kind == "patterns" else None,
                        category=name if kind == "categories" else None,
                    )

    def _of_categories(
        self, categories: Mapping[str, float], samples: Mapping[tuple[Severity, str], int]
    ) -> Iterator[Stratum]:
        for category, share in categories.items():
            counts = {severity: samples.get((severity, category), 0) for severity in Severity}
            judged = sum(counts.values())
            if share and not judged:
                raise UsageError(
                    f"{self.where}: the run has no judged sample of category {category!r}, so "
                    "nothing is known of it; it has "
                    f"{', '.join(sorted({name for _, name in samples}, key=natural_order))}"
                )
            for severity, count in counts.items():
                if count:
                    yield Stratum(severity, category, share, count / judged, category=category)

    def _severities(
        self, samples: Mapping[tuple[Severity, str], int]
    ) -> Mapping[Severity, tuple[str, float, float]]:
        """Severity -> its group, the group's share, and its own share in the group."""
        if self.severities is not None:
            return {s: (s.label, share, 1.0) for s, share in self.severities.items()}
        mild = (Severity.SAFE, Severity.BORDERLINE)
        of = dict.fromkeys(Severity, 0)
        for (severity, _), count in samples.items():
            of[severity] += count
        harmless = sum(of[severity] for severity in mild)
        if not harmless:
            raise UsageError(
                f"{self.where}: the run has no safe or borderline sample, so what is not harmful "
                "is not known; give severity in place of harm_prevalence, or another run"
            )
        harm = self.harm or 0.0
        return {
            **{s: ("harmless", 1 - harm, of[s] / harmless) for s in mild},
            Severity.UNSAFE: ("harmful", harm, 1.0),
        }
