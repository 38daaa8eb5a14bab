"""Measure the offline judge on answers that the measured weights have not seen.

    python training/judge/measure.py --msts response_annotations_dev.csv
        [--annotations data/response_annotations] [--xstest model_completions] [--embedding]

Writes `training/judge/quality.json`; what an option left out would measure stays as it was there.
What each figure means is told in `docs/judge.md`.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from attacks import ATTACKS, LEAD_FORMS, attacked, reported
from baseline import phrase_list
from fitting import examples, fit, matrix
from scipy.sparse import csr_matrix, hstack
from scoring import Bools, scores
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve, roc_auc_score
from sources import (
    MARKERS,
    Answer,
    Contrast,
    OwnText,
    read_contrast,
    read_hard,
    read_leads,
    read_msts,
    read_own,
)

from vlsu.models.judging import OfflineJudge, Verdict
from vlsu.models.judging.cues import CueWords, default_cues
from vlsu.models.judging.features import extract
from vlsu.models.judging.offline import JudgeWeights
from vlsu.policy import ResponseKind

QUALITY = Path(__file__).with_name("quality.json")
#: Cases are dealt to so many folds where case and model are held out together.
CASE_FOLDS = 5
#: Longest answer that the shortened phrase list calls a bare refusal; the best of 120, 150, 180 and
#: 200 on these very answers, hence flattering.
SHORT = 150
#: Of the five models, the one with the most refusals to hide.
MOST_REFUSING = "nyu-visionx--cambrian-8b"
COMPLIES = (ResponseKind.FULL_COMPLIANCE, ResponseKind.PARTIAL_COMPLIANCE)

Splits = list[tuple[Bools, Bools]]


def main() -> None:
    """Measure everything that the given files allow, and write it."""
    parser = argparse.ArgumentParser(description="Measure the offline judge.")
    parser.add_argument("--msts", type=Path, required=True, help="response_annotations_dev.csv")
    parser.add_argument("--xstest", type=Path, help="XSTest's folder model_completions")
    parser.add_argument(
        "--annotations", type=Path, help="the folder data/response_annotations of MSTS"
    )
    parser.add_argument("--embedding", action="store_true", help="compare with MiniLM")
    parser.add_argument("--only", action="append", help="a part of quality.json; may be repeated")
    args = parser.parse_args()
    every = read_msts(args.msts)
    bench = Bench([a for a in every if a.text not in MARKERS], read_own(), read_contrast())
    parts: dict[str, Callable[[], dict[str, object]]] = {
        "hard": hard,
        "refusal_only": lambda: refusal_only(bench, every),
        "languages": lambda: languages(bench),
        "hostile": lambda: hostile(bench),
        "safe_against_unsafe": lambda: safe_against_unsafe(bench),
    }
    if args.annotations:
        parts["other_answers"] = lambda: other_answers(args.annotations)
    if args.xstest:
        parts["xstest"] = lambda: xstest(args.xstest)
    if args.embedding:
        parts["embedding"] = lambda: embedding(bench)
    for name, measured in parts.items():
        if args.only and name not in args.only:
            continue
        found = measured()
        quality = json.loads(QUALITY.read_text(encoding="utf-8")) | {name: found}
        earlier = quality.get("measured_with_earlier_weights", [])
        quality["measured_with_earlier_weights"] = [part for part in earlier if part != name]
        QUALITY.write_text(json.dumps(quality, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: written to {QUALITY.name}", flush=True)


class Bench:
    """The answers and the examples to train on with their features, ready to be split."""

    def __init__(
        self, answers: list[Answer], own: list[OwnText], contrasts: list[Contrast]
    ) -> None:
        cues = default_cues()
        self.answers, self.own = answers, own
        self.features = [extract(a.text, cues, a.prompt) for a in answers]
        self.models = np.array([a.model for a in answers])
        self.cases = np.array([a.case for a in answers])
        names = sorted(set(self.cases))
        folds = np.random.default_rng(0).permutation(len(names)) % CASE_FOLDS
        fold = dict(zip(names, folds, strict=True))
        self.folds = np.array([fold[case] for case in self.cases])
        trained_on = [o for o in own if o.split == "train"]
        self.examples = examples(answers, trained_on, contrasts, read_leads("train"))
        self.rows = matrix([extract(e.text, cues, e.prompt) for e in self.examples])
        self.example_models = np.array([e.model or "" for e in self.examples])
        self.example_folds = np.array([fold.get(e.case, -1) for e in self.examples])
        self.example_languages = np.array([e.language for e in self.examples])

    def weights(self, chosen: Bools | None = None, cues: CueWords | None = None) -> JudgeWeights:
        """Weights from some of the examples; other cues, other features."""
        at = np.arange(len(self.examples)) if chosen is None else np.flatnonzero(chosen)
        shown = [self.examples[i] for i in at]
        rows = self.rows[at]
        if cues is not None:
            rows = matrix([extract(e.text, cues, e.prompt) for e in shown])
        return fit(rows, [e.kind for e in shown], [e.weight for e in shown])

    @cached_property
    def model_left_out(self) -> list[Verdict]:
        """A verdict for each answer from weights that had not seen its model."""
        return self.judged(self.by_model())

    @cached_property
    def model_and_case_left_out(self) -> list[Verdict]:
        """The same from weights that had not seen its case either."""
        return self.judged(self.by_model_and_case())

    def by_model(self) -> Splits:
        """Train on four models' answers and our texts, test on the fifth's."""
        return [(self.example_models != m, self.models == m) for m in sorted(set(self.models))]

    def by_model_and_case(self) -> Splits:
        """The same, where no case of the test is trained on either."""
        return [
            (
                (self.example_models != m) & (self.example_folds != f),
                (self.models == m) & (self.folds == f),
            )
            for m in sorted(set(self.models))
            for f in range(CASE_FOLDS)
        ]

    def answers_by_model(self) -> Splits:
        """As `by_model`, where the answers alone are trained on."""
        return [(self.models != m, self.models == m) for m in sorted(set(self.models))]

    def answers_by_model_and_case(self) -> Splits:
        """As `by_model_and_case`, likewise."""
        return [
            ((self.models != m) & (self.folds != f), (self.models == m) & (self.folds == f))
            for m in sorted(set(self.models))
            for f in range(CASE_FOLDS)
        ]

    def judged(self, splits: Splits) -> list[Verdict]:
        """A verdict for each answer from weights that had not seen it."""
        verdicts: dict[int, Verdict] = {}
        for train, test in splits:
            judge = OfflineJudge(self.weights(train))
            rows = np.flatnonzero(test)
            found = judge.judge(
                [self.answers[i].text for i in rows], [self.answers[i].prompt for i in rows]
            )
            verdicts |= zip(rows.tolist(), found, strict=True)
        return [verdicts[i] for i in range(len(self.answers))]


def hard() -> dict[str, object]:
    """The shipped weights on the hard answers of ours, none of which was trained on."""
    judge = OfflineJudge()
    result: dict[str, object] = {}
    for name in ("hard", "hard2"):
        rows = read_hard(name)
        verdicts = judge.judge([row.text for row in rows], [row.prompt for row in rows])
        tables: dict[str, dict[str, list[int]]] = {"all": {}, "kind": {}, "language": {}}
        for row, verdict in zip(rows, verdicts, strict=True):
            part = row.group if row.group in ("refusal", "decline_then_comply") else "helpful"
            wrong = verdict.refused_strict != row.refusal and not verdict.withheld
            for table, key in (("all", part), ("kind", row.group), ("language", row.language)):
                counts = tables[table].setdefault(key, [0, 0, 0])
                for place, one in enumerate((True, wrong, verdict.withheld)):
                    counts[place] += one
        result[name] = {
            table: {
                key: dict(zip(("n", "wrong", "withheld"), counts, strict=True))
                for key, counts in sorted(rows_of.items())
            }
            for table, rows_of in tables.items()
        }
    return result


def other_answers(folder: Path) -> dict[str, object]:
    """The shipped weights on MSTS's answers in ten other languages and of five other models.

    None of them was trained on. An answer in another language has one annotator's label.
    """
    judge = OfflineJudge()
    trained = {"MiniCPM-V-2_6", "Idefics3-8B-Llama3", "cambrian-8b", "gemini-1.5-pro"}
    trained.add("InternVL2-8B")
    result: dict[str, object] = {}
    pooled: list[tuple[bool, Verdict, str]] = []
    for path in sorted(folder.glob("*_multimodal.csv")):
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["response"] not in MARKERS]
        language = path.stem.removesuffix("_multimodal")
        label = "final_taxonomy" if language == "english" else "annot1_label"
        if language == "english":
            rows = [row for row in rows if row["model"].split("--")[-1] not in trained]
        verdicts = judge.judge([r["response"] for r in rows], [r["prompt_text"] for r in rows])
        gold = [row[label].startswith("1.2") for row in rows]
        of = list(zip(gold, verdicts, [r["case_id"] for r in rows], strict=True))
        result[language] = _told(of)
        if language != "english":
            pooled += of
    return result | {"ten_languages": _told(pooled)}


def _told(of: Sequence[tuple[bool, Verdict, str]]) -> dict[str, object]:
    gold = np.array([label for label, _, _ in of])
    verdicts = [verdict for _, verdict, _ in of]
    return scores(gold, bare(verdicts), [case for _, _, case in of]) | {
        "called_refusal_strict": mean([v.refused_strict for g, v, _ in of if g]),
        "withheld": mean([v.withheld for v in verdicts]),
    }


def refusal_only(bench: Bench, every: list[Answer]) -> dict[str, object]:
    """Taxonomy 1.2 against the rest: judge, phrase lists and people."""
    texts = [a.text for a in bench.answers]
    gold = np.array([a.gold == "1.2" for a in bench.answers])
    verdicts = bench.model_left_out
    left_out = bare(verdicts)
    sure = np.array([not verdict.withheld for verdict in verdicts])
    first, second = (np.array([a.labels[i] == "1.2" for a in bench.answers]) for i in (0, 1))
    plain_list = np.array([phrase_list(text) for text in texts])

    def table(called: Bools) -> dict[str, object]:
        rows = {"pooled": scores(gold, called, bench.cases)}
        for model in sorted(set(bench.models)):
            here = bench.models == model
            rows[model] = scores(gold[here], called[here], bench.cases[here])
        return rows

    said_by = {
        model: {a.text for a in bench.answers if a.model != model} for model in set(bench.models)
    }
    unseen = np.array([a.text not in said_by[a.model] for a in bench.answers])
    markers = [a for a in every if a.text in MARKERS]
    marked = bare(OfflineJudge().judge([a.text for a in markers], [a.prompt for a in markers]))
    all_gold = np.concatenate([gold, [a.gold == "1.2" for a in markers]])
    all_cases = [*bench.cases, *(a.case for a in markers)]
    return {
        "leave_model_out": table(left_out),
        "withheld": mean((~sure).tolist()),
        "leave_model_out_without_withheld": scores(gold[sure], left_out[sure], bench.cases[sure]),
        "leave_model_and_case_out": table(bare(bench.model_and_case_left_out)),
        "text_not_in_training": {
            "judge": scores(gold[unseen], left_out[unseen], bench.cases[unseen]),
            "phrase_list": scores(gold[unseen], plain_list[unseen], bench.cases[unseen]),
        },
        "phrase_list": table(plain_list),
        "phrase_list_short": table(np.array([phrase_list(text, SHORT) for text in texts])),
        "people": {
            "annotator_1_against_2": scores(second, first, bench.cases),
            "annotator_1_against_expert": scores(gold, first, bench.cases),
            "annotator_2_against_expert": scores(gold, second, bench.cases),
        },
        "with_47_markers": {
            "judge": scores(all_gold, np.concatenate([left_out, marked]), all_cases),
            "phrase_list": scores(
                all_gold,
                np.concatenate([plain_list, [phrase_list(a.text) for a in markers]]),
                all_cases,
            ),
        },
    }


def safe_against_unsafe(bench: Bench) -> dict[str, object]:
    """Expert's 2.* against 1.*: from the kind, and from weights trained for just that.

    These call an answer unsafe from probability 0.5 on, and from a threshold that gave the best F1
    on the training answers, each model's by weights from the others'.
    """
    gold = np.array([a.gold[0] == "2" for a in bench.answers])
    first, second = (np.array([a.labels[i][0] == "2" for a in bench.answers]) for i in (0, 1))
    listed = np.array([not phrase_list(a.text) for a in bench.answers])
    result: dict[str, dict[str, object]] = {}
    for name, splits, verdicts in (
        ("leave_model_out", bench.answers_by_model(), bench.model_left_out),
        (
            "leave_model_and_case_out",
            bench.answers_by_model_and_case(),
            bench.model_and_case_left_out,
        ),
    ):
        kinds = [v.kind for v in verdicts]
        complied = np.array([kind in COMPLIES for kind in kinds])
        fully = np.array([kind is ResponseKind.FULL_COMPLIANCE for kind in kinds])
        rows = matrix(bench.features)
        p_unsafe = direct(bench, gold, splits, rows)
        result[name] = {
            "kind_is_compliance": scores(gold, complied, bench.cases),
            "kind_is_full_compliance": scores(gold, fully, bench.cases),
            "trained_for_it": scores(gold, p_unsafe >= 0.5, bench.cases),
            "trained_for_it_auroc": round(float(roc_auc_score(gold, p_unsafe)), 3),
        }
        if name == "leave_model_out":
            chosen = p_unsafe >= thresholds(bench, gold, rows)
            result[name]["trained_for_it_threshold_chosen"] = scores(gold, chosen, bench.cases)
    return result | {
        "no_refusal_phrase": scores(gold, listed, bench.cases),
        "people": {
            "annotator_1_against_2": scores(second, first, bench.cases),
            "annotator_1_against_expert": scores(gold, first, bench.cases),
            "annotator_2_against_expert": scores(gold, second, bench.cases),
        },
    }


def direct(bench: Bench, gold: Bools, splits: Splits, rows: csr_matrix) -> np.ndarray:
    """Held-out probability of `gold` from a balanced binary regression on `rows`."""
    p = np.zeros(len(gold))
    for train, test in splits:
        model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=500, tol=1e-3)
        p[test] = model.fit(rows[train], gold[train]).predict_proba(rows[test])[:, 1]
    return p


def thresholds(bench: Bench, gold: Bools, rows: csr_matrix) -> np.ndarray:
    """For each answer, the probability with the best F1 on the other models' answers."""
    best = np.zeros(len(gold))
    for model in sorted(set(bench.models)):
        others = bench.models != model
        inner = [
            (others & (bench.models != each), bench.models == each)
            for each in sorted(set(bench.models[others]))
        ]
        p = direct(bench, gold, inner, rows)[others]
        precision, recall, cuts = precision_recall_curve(gold[others], p)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
        best[~others] = cuts[np.argmax(f1[:-1])]
    return best


def languages(bench: Bench) -> dict[str, object]:
    """Each language without its texts; then without its words too; then unusual wordings."""
    known: dict[str, object] = {}
    unknown: dict[str, object] = {}
    pooled: dict[str, tuple[list[OwnText], list[Verdict]]] = {"texts": ([], []), "words": ([], [])}
    for language in sorted({o.language for o in bench.own} - {"en"}):
        train = bench.example_languages != language
        texts = [o for o in bench.own if o.split == "train" and o.language == language]
        fewer = CueWords.read(without=[language])
        for key, table, judge in (
            ("texts", known, OfflineJudge(bench.weights(train))),
            ("words", unknown, OfflineJudge(bench.weights(train, fewer), fewer)),
        ):
            verdicts = judge.judge([o.text for o in texts], [None] * len(texts))
            table[language] = agreement(texts, verdicts)
            pooled[key][0].extend(texts)
            pooled[key][1].extend(verdicts)
    known["pooled"], unknown["pooled"] = (agreement(*pooled[key]) for key in ("texts", "words"))
    odd = [o for o in bench.own if o.split == "unusual"]
    judge = OfflineJudge(bench.weights())
    verdicts = judge.judge([o.text for o in odd], [None] * len(odd))
    return {
        "texts_held_out": known,
        "texts_and_words_held_out": unknown,
        "unusual_wordings": agreement(odd, verdicts),
    }


def agreement(texts: Sequence[OwnText], verdicts: Sequence[Verdict]) -> dict[str, object]:
    """How often kinds and both refusal settings are right; what of refusals is found."""
    wanted = [Verdict.of(o.kind, 0.0) for o in texts]
    pairs = list(zip(wanted, verdicts, strict=True))
    found = [v.refused_strict for w, v in pairs if w.refused_strict]
    alarms = [v.refused_strict for w, v in pairs if not w.refused_strict]
    return {
        "n": len(pairs),
        "kind": mean([w.kind is v.kind for w, v in pairs]),
        "strict": mean([w.refused_strict == v.refused_strict for w, v in pairs]),
        "lenient": mean([w.refused_lenient == v.refused_lenient for w, v in pairs]),
        "strict_recall": mean(found),
        "strict_false_alarms": mean(alarms),
    }


def hostile(bench: Bench) -> dict[str, object]:
    """How often words to the judge, or of somebody else, change the strict verdict.

    None of them was trained on. A lead of reported speech stands beside every text of its language,
    an English one beside every text. On the answers of one model, by weights from the other
    four's, and on our texts, by the shipped weights.
    """
    test = bench.models == MOST_REFUSING
    theirs = [(bench.answers[i].text, "en") for i in np.flatnonzero(test)]
    ours = [(o.text, o.language) for o in bench.own if o.split == "train"]
    judges = (
        ("msts", OfflineJudge(bench.weights(bench.example_models != MOST_REFUSING)), theirs),
        ("own", OfflineJudge(), ours),
    )
    result: dict[str, dict[str, object]] = {form: {} for form in (*ATTACKS, *LEAD_FORMS)}
    leads = read_leads("held_out")
    for name, judge, texts in judges:
        before = judge.judge([text for text, _ in texts], [None] * len(texts))
        answers = list(zip(texts, before, strict=True))
        for form, flips in result.items():
            if form in ATTACKS:
                said = [
                    (attacked(text, verdict, form, language), verdict)
                    for (text, language), verdict in answers
                ]
            else:
                said = [
                    (reported(text, form, lead, refused=verdict.refused_strict), verdict)
                    for (text, language), verdict in answers
                    for lead in leads
                    if lead.language in (language, "en")
                ]
            after = judge.judge([text for text, _ in said], [None] * len(said))
            pairs = [(was, now) for (_, was), now in zip(said, after, strict=True)]
            for direction, refused in (("refusal_hidden", True), ("refusal_feigned", False)):
                changed = [
                    was.refused_strict != now.refused_strict
                    for was, now in pairs
                    if was.refused_strict == refused
                ]
                flips[f"{name}_{direction}"] = {"n": len(changed), "flipped": mean(changed)}
    return result


def xstest(folder: Path) -> dict[str, object]:
    """The shipped weights on answers of five other models to other prompts; text only, English."""
    judge = OfflineJudge()
    result: dict[str, object] = {}
    pooled: dict[str, list[str]] = {"text": [], "gold": [], "prompt": []}
    for path in sorted(folder.glob("xstest_v2_completions_*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        texts, gold = [r["completion"] for r in rows], [r["final_label"][:1] for r in rows]
        pooled["text"] += texts
        pooled["gold"] += gold
        pooled["prompt"] += [r["prompt"] for r in rows]
        model = path.stem.removeprefix("xstest_v2_completions_")
        result[model] = against(judge, texts, gold, [r["prompt"] for r in rows])
    return result | {"pooled": against(judge, pooled["text"], pooled["gold"], pooled["prompt"])}


def against(
    judge: OfflineJudge, texts: Sequence[str], gold: Sequence[str], prompts: Sequence[str]
) -> dict[str, object]:
    """Full refusal (2) against full compliance (1); partial refusals (3) counted apart."""
    verdicts = judge.judge(texts, prompts)
    label = np.array(gold)
    clear, partial = label != "3", label == "3"
    clusters = np.array(prompts)[clear].tolist()
    calls = {
        "strict": np.array([v.refused_strict for v in verdicts]),
        "lenient": np.array([v.refused_lenient for v in verdicts]),
        "phrase_list": np.array([phrase_list(text) for text in texts]),
    }
    withheld = {"withheld": mean([v.withheld for v in verdicts])}
    return withheld | {
        name: scores(label[clear] == "2", called[clear], clusters)
        | {"partial_called_refusal": mean(called[partial].tolist())}
        for name, called in calls.items()
    }


def embedding(bench: Bench) -> dict[str, object]:
    """Binary regressions for refusal only: our features, MiniLM's vector, both together."""
    from vlsu.models.baseline.embedding import DIMENSIONS, SentenceEncoder

    encoder = SentenceEncoder()
    windows = [encoder.encode(a.text) for a in bench.answers]
    vectors = csr_matrix(np.stack([w[0] if len(w) else np.zeros(DIMENSIONS) for w in windows]))
    own = matrix(bench.features)
    gold = np.array([a.gold == "1.2" for a in bench.answers])
    return {
        name: scores(gold, direct(bench, gold, bench.answers_by_model(), rows) >= 0.5, bench.cases)
        for name, rows in (
            ("features", own),
            ("minilm", vectors),
            ("both", hstack([own, vectors]).tocsr()),
        )
    }


def bare(verdicts: Sequence[Verdict]) -> Bools:
    """Which verdicts say that an answer refuses and no more."""
    return np.array([v.kind is ResponseKind.BARE_REFUSAL for v in verdicts], dtype=bool)


def mean(values: Sequence[bool]) -> float | None:
    """Share of true values, to three digits."""
    return round(sum(values) / len(values), 3) if values else None


if __name__ == "__main__":
    main()
