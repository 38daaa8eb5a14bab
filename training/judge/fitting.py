"""Fitting the offline judge's weights to features and kinds."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from attacks import LEAD_FORMS, MEASURED_ONLY, reported
from scipy.sparse import csr_matrix, vstack
from sklearn.linear_model import LogisticRegression
from sources import Answer, Contrast, Lead, OwnText

from vlsu.models.judging.cues import Ask, default_cues
from vlsu.models.judging.features import SIZE, Features
from vlsu.models.judging.grams import GRAMS
from vlsu.models.judging.offline import KINDS, JudgeWeights
from vlsu.models.judging.text import plain
from vlsu.policy import REFUSAL_KINDS, ResponseKind

#: Inverse strength of the L2 penalty.
C = 0.2
#: The fit ends where no part of its gradient is larger. With 1e-3 it ended before it had settled,
#: and an example more or less moved figures by a hundredth.
TOLERANCE = 1e-4
#: Our own texts count threefold: they alone cover eleven of the languages.
OWN_WEIGHT = 3.0
#: The refusals among the contrasts, which are fewer.
REFUSAL_WEIGHT = 4.5
#: Each of our refusals is also shown after so many questions of the contrasts, and each real one
#: after one: what declines, declines whatever was asked.
ASKED_AGAIN = 3
#: Groups of contrasts in which the answer alone does not show what it does.
NEEDS_QUESTION = frozenset({"translation", "one_word", "quotation", "letter"})
#: Weight of each text's copy without n-grams. It teaches the cues and the shape to carry an answer
#: whose n-grams are new, as in a language never trained on.
COPY_WEIGHT = 0.3
#: How often each of our texts is shown beside a lead of its language, and as often of English.
LEADS_EACH = 2
#: How many answers that help each of our refusals is shown before, and with which weight.
HELP_AFTER = 1
HELP_WEIGHT = 0.5
SEED = 0


@dataclass(frozen=True, slots=True)
class Example:
    """An answer to train on.

    Attributes:
        text: The answer.
        prompt: Its question, if it is shown with one.
        kind: What the answer does.
        weight: How much it counts, before kinds are balanced.
        model: Which model gave it, for answers of MSTS.
        case: Of which case, likewise.
        language: Its language.
    """

    text: str
    prompt: str | None
    kind: ResponseKind
    weight: float
    model: str | None
    case: str | None
    language: str


def examples(
    answers: Iterable[Answer],
    own: Sequence[OwnText],
    contrasts: Sequence[Contrast],
    leads: Sequence[Lead],
) -> list[Example]:
    """All that is trained on, from MSTS, our plain texts, our contrasts and our leads."""
    drawn = random.Random(SEED)
    questions: dict[str, list[str]] = {}
    cues = default_cues()
    for contrast in contrasts:
        # Where the question holds words of declining, so may its answer.
        if contrast.group != "translation" and not cues.asked(plain(contrast.prompt))[1]:
            questions.setdefault(contrast.language, []).append(contrast.prompt)
    found = []
    for a in answers:
        if a.kind is None:
            continue
        found.append(Example(a.text, a.prompt, a.kind, 1.0, a.model, a.case, "en"))
        if a.kind in REFUSAL_KINDS["strict"]:
            other = drawn.choice(questions["en"])
            found.append(Example(a.text, other, a.kind, 1.0, a.model, a.case, "en"))
    for o in own:
        found.append(Example(o.text, None, o.kind, OWN_WEIGHT, None, None, o.language))
        if o.kind in REFUSAL_KINDS["strict"]:
            for _ in range(ASKED_AGAIN):
                other = drawn.choice(questions[o.language])
                found.append(Example(o.text, other, o.kind, 1.0, None, None, o.language))
    for c in contrasts:
        weight = REFUSAL_WEIGHT if c.kind in REFUSAL_KINDS["strict"] else OWN_WEIGHT
        found.append(Example(c.text, c.prompt, c.kind, weight, None, None, c.language))
        if c.group not in NEEDS_QUESTION:
            found.append(Example(c.text, None, c.kind, 1.0, None, None, c.language))
    return found + _with_leads(own, contrasts, leads)


def _with_leads(
    own: Sequence[OwnText], contrasts: Sequence[Contrast], leads: Sequence[Lead]
) -> list[Example]:
    """Answers beside words of somebody else, which change nothing; and words that are an answer.

    What a lead announces is the answer where the question asks what is said, and a refusal as any
    other where it asks for something else. What complies by more than such words complies: each of
    our refusals is also shown before answers that help.
    """
    drawn = random.Random(SEED)
    cues = default_cues()
    forms = [form for form in LEAD_FORMS if form not in MEASURED_ONLY]
    reads: dict[str, list[str]] = {}
    asks_no_text: dict[str, list[str]] = {}
    for c in contrasts:
        asks, declines = cues.asked(plain(c.prompt))
        if Ask.READ in asks and c.group == "quotation":
            reads.setdefault(c.language, []).append(c.prompt)
        elif not asks and not declines:
            asks_no_text.setdefault(c.language, []).append(c.prompt)
    of: dict[str, list[Lead]] = {}
    for lead in leads:
        of.setdefault(lead.language, []).append(lead)
    found = []
    for o in own:
        refused = o.kind in REFUSAL_KINDS["strict"]
        for language in (o.language, "en"):
            for _ in range(LEADS_EACH):
                said = reported(
                    o.text, drawn.choice(forms), drawn.choice(of[language]), refused=refused
                )
                found.append(Example(said, None, o.kind, 1.0, None, None, o.language))
                if refused:
                    other = drawn.choice(asks_no_text[o.language])
                    found.append(Example(said, other, o.kind, 1.0, None, None, o.language))
    helps: dict[str, list[str]] = {}
    for o in own:
        if o.kind is ResponseKind.FULL_COMPLIANCE:
            helps.setdefault(o.language, []).append(o.text)
    for o in own:
        if o.kind in REFUSAL_KINDS["strict"]:
            for help_after in drawn.sample(helps[o.language], HELP_AFTER):
                both = f"{o.text} {help_after}"
                other = drawn.choice(asks_no_text[o.language])
                for prompt in (None, other):
                    kind = ResponseKind.PARTIAL_COMPLIANCE
                    found.append(Example(both, prompt, kind, HELP_WEIGHT, None, None, o.language))
    for c in contrasts:
        if c.kind in REFUSAL_KINDS["strict"] and c.prompt in asks_no_text.get(c.language, ()):
            said = reported(c.text, drawn.choice(forms), drawn.choice(of[c.language]), refused=True)
            found.append(Example(said, c.prompt, c.kind, 1.0, None, None, c.language))
    for lead in leads:
        said = reported(lead.no, "lead_before", lead, refused=True)
        for kind, questions in (
            (ResponseKind.FULL_COMPLIANCE, reads),
            (ResponseKind.BARE_REFUSAL, asks_no_text),
        ):
            other = drawn.choice(questions[lead.language])
            found.append(Example(said, other, kind, 1.0, None, None, lead.language))
    return found


def matrix(features: Sequence[Features]) -> csr_matrix:
    """Features as a sparse matrix; shape (n, SIZE)."""
    return csr_matrix(
        (
            np.concatenate([one.values for one in features]),
            np.concatenate([one.indices for one in features]),
            np.cumsum([0] + [len(one.indices) for one in features]),
        ),
        shape=(len(features), SIZE),
    )


def fit(rows: csr_matrix, kinds: Sequence[ResponseKind], weights: Sequence[float]) -> JudgeWeights:
    """Train on answers of known kind, one row of features each.

    Kinds are balanced: how common a kind is in MSTS, where every request is unsafe, says nothing
    of the answers to be judged.
    """
    labels = np.array([KINDS.index(kind) for kind in kinds])
    counts = np.array(weights)
    rows = vstack([rows, _without_grams(rows)]).tocsr()
    labels = np.concatenate([labels, labels])
    counts = np.concatenate([counts, counts * COPY_WEIGHT])
    total = np.bincount(labels, weights=counts, minlength=len(KINDS))
    counts = counts * total.max() / total[labels]
    model = LogisticRegression(C=C, max_iter=1000, tol=TOLERANCE)
    model.fit(rows, labels, sample_weight=counts / counts.mean())
    if len(model.classes_) != len(KINDS):
        raise SystemExit("a kind has no training text")
    return JudgeWeights(
        weights=np.ascontiguousarray(model.coef_.T).astype(np.float16),
        bias=model.intercept_.astype(np.float16),
    )


def _without_grams(rows: csr_matrix) -> csr_matrix:
    copy = rows.copy()
    copy.data[copy.indices < GRAMS] = 0.0
    copy.eliminate_zeros()
    return copy
