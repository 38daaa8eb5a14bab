// @ts-check
/** What is before the adjudicator: the case, what the graders said, and the steps of a decision. */

import { byId, cap, data, make, say } from "./grade-dom.js";
import { Picture } from "./grade-picture.js";
import * as policy from "./grade-policy.js";
import * as reveal from "./grade-reveal.js";
import { GRADE_KEYS, letterOf } from "./grade-steps.js";
import { write } from "./grade-text.js";

/**
 * @typedef {{ grade: string, category: string | null, confidence: number | null, admissible: string[],
 *   refers: string | null, because: string | null, note: string }} Opinion
 * @typedef {{ grade: string, category: string | null, contested: boolean, reason: string, version: string }} Decision
 * @typedef {{ dispute: string, sample: string, modality: "image" | "text" | "joint", image: string | null,
 *   text: string | null, language: string | null, reason: string, opinions: Opinion[],
 *   distribution: { grades: Record<string, number>, categories: Record<string, number> },
 *   decision: Decision | null, picture: Picture | null }} Case
 * @typedef {{ grade: string | null, category: string | null }} Draft
 */

const setup = data("setup");
const work = byId("work");
const said = byId("said");
const options = byId("options");
/** @type {{ grade: (id: string) => void, category: (id: string) => void, back: () => void }} */
let on = { grade() {}, category() {}, back() {} };

export const grades = setup.severities;
export const categories = setup.policy.categories;

/** Fetch a case's picture ahead. @param {any} found @returns {Case} */
export const prepare = (found) => ({ ...found, picture: found.image ? new Picture(found.image) : null });

/** A category by identifier and name. @param {string} id */
export function nameOf(id) {
  const found = policy.categoryOf(id);
  return found ? `${id} ${found.name}` : id;
}

/** Categories that the case is about, the most frequent first. @param {Case} found @returns {string[]} */
export const atHand = (found) => Object.entries(found.distribution.categories)
  .sort((a, b) => b[1] - a[1]).map(([id]) => id);

/** @param {Case} found */
export function openCase(found) {
  work.dataset.sample = found.sample;
  work.dataset.modality = found.modality;
  work.hidden = false;
  byId("rest").hidden = true;
  byId("what").textContent = say(`modality_${found.modality}`);
  byId("task").textContent = found.sample;
  reveal.open(found.picture);
  said.hidden = found.text === null;
  write(said, found.text || "", found.language);
  said.scrollTop = 0;
  policy.toggle(false);
  policy.setModality(found.modality);
  policy.handle(atHand(found)[0] || "");
  byId("why").textContent = say(`why_${found.reason}`);
  drawDistribution(found);
  byId("opinions").replaceChildren(...found.opinions.map(opinion));
  const earlier = byId("earlier");
  earlier.hidden = !found.decision;
  if (found.decision) earlier.textContent = say("earlier", { grade: named(found.decision), version: found.decision.version });
  byId("skip").hidden = Boolean(found.decision);
  byId("what").focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** Show no case. */
export function closeCase() {
  work.hidden = true;
  delete work.dataset.sample;
  delete work.dataset.modality;
  reveal.open(null);
  write(said, "", null);
  byId("opinions").replaceChildren();
}

/** @param {{ grade: string, category: string | null }} about */
export const named = ({ grade, category }) => say(`grade_${grade}`) + (category ? `, ${nameOf(category)}` : "");

/** @param {Case} found */
function drawDistribution(found) {
  const given = Object.entries(found.distribution.grades).filter(([, number]) => number);
  const counts = given.map(([grade, number]) => say("count", { number, grade: say(`grade_${grade}`) }));
  const place = byId("distribution");
  place.setAttribute("aria-label", say("distribution", { number: found.opinions.length, counts: counts.join(", ") }));
  place.replaceChildren(...given.flatMap(([grade, number]) => Array.from({ length: number }, () =>
    make("span", { class: `vote ${grade}` }))));
  place.append(make("span", { class: "counts", text: counts.join(" · ") }));
}

/** @param {Opinion} about */
function opinion(about) {
  const more = [];
  if (about.confidence !== null) more.push(say("confidence", { how: say(`confidence_${about.confidence}`) }));
  if (about.admissible.length) {
    more.push(say("also", { grades: about.admissible.map((grade) => say(`grade_${grade}`)).join(", ") }));
  }
  if (about.refers) more.push(say("refers", { what: say(`refers_${about.refers}`) }));
  if (about.because) more.push(say(`because_${about.because}`));
  const { category } = about;
  return make("li", { class: about.grade },
    make("p", { class: "said-so" },
      make("b", { class: `severity ${about.grade}`, text: say(`grade_${about.grade}`) }),
      ...(category ? [make("button", {
        class: "quiet category", lang: setup.policy.language, text: nameOf(category), click: () => policy.read(category),
      })] : [])),
    ...(more.length ? [make("p", { class: "muted small", text: more.join(" · ") })] : []),
    about.note ? make("p", { class: "note", dir: "auto", text: about.note })
      : make("p", { class: "muted small empty-note", text: say("no_note") }));
}

/** @param {string} key @param {string} name @param {Record<string, any>} about @param {string} [more] */
function option(key, name, about, more = "") {
  const id = `option-${about["data-value"]}`;
  return make("button", {
    type: "button", class: "choice", "aria-labelledby": id, "aria-describedby": more ? `${id}-more` : null,
    "aria-keyshortcuts": key || null, ...about,
  }, key ? cap(key) : "", make("span", { class: "option" },
    make("span", { id, class: "name", text: name, lang: about.lang }),
    ...(more ? [make("span", { id: `${id}-more`, class: "more", text: more, lang: setup.policy.language })] : [])));
}

/** Show a step. @param {"grade" | "category" | "done"} step @param {Draft} draft */
export function showStep(step, draft) {
  options.dataset.step = step;
  byId("question").textContent = say(`question_${step}`);
  byId("reasons").hidden = step !== "done";
  if (step === "grade") {
    options.replaceChildren(...grades.map((/** @type {string} */ grade) => option(
      GRADE_KEYS[grade], say(`grade_${grade}`),
      { class: `choice ${grade}`, "data-grade": grade, "data-value": grade, click: () => on.grade(grade) },
      setup.policy.severities[grade])));
  } else if (step === "category") {
    options.replaceChildren(...categories.map((/** @type {any} */ each, /** @type {number} */ at) => option(
      letterOf(at), nameOf(each.id),
      { "data-category": each.id, "data-value": each.id, lang: setup.policy.language, click: () => on.category(each.id) })));
  } else {
    options.replaceChildren();
  }
  const chosen = byId("chosen");
  chosen.hidden = draft.grade === null;
  if (draft.grade !== null) {
    chosen.replaceChildren(
      make("span", { class: `severity ${draft.grade}`, text: say(`grade_${draft.grade}`) }),
      ...(draft.category ? [make("span", { text: nameOf(draft.category), lang: setup.policy.language })] : []),
      make("button", { class: "quiet", click: () => on.back() }, say("change"), " ", cap("Esc")));
  }
}

/** What is done when something is chosen. @param {typeof on} does */
export function listen(does) {
  on = does;
}
