// @ts-check
/** What is before the grader: the item, and the step of the answer that is to be taken. */

import { byId, cap, data, make, say } from "./grade-dom.js";
import * as policy from "./grade-policy.js";
import * as reveal from "./grade-reveal.js";
import { GRADE_KEYS, digitOf, letterOf } from "./grade-steps.js";
import { write } from "./grade-text.js";

const setup = data("setup");
const work = byId("work");
const said = byId("said");
const options = byId("options");
const note = /** @type {HTMLTextAreaElement} */ (byId("note"));
/** @type {Record<string, (value: any) => void>} */
let on = {};

/** @type {string[]} */
export const grades = [...setup.severities, "not_sure"];
/** @type {{ id: string, name: string }[]} */
export const categories = setup.policy.categories;

/** Open an item. @param {import("./grade-supply.js").Item} item */
export function openItem(item) {
  work.dataset.sample = item.sample;
  work.dataset.modality = item.modality;
  work.hidden = false;
  byId("rest").hidden = true;
  byId("what").textContent = say(`modality_${item.modality}`) + (item.training ? ` · ${say("training")}` : "");
  byId("task").textContent = say(`task_${item.modality}`);
  reveal.open(item.picture);
  said.hidden = item.text === null;
  write(said, item.text || "", item.language);
  said.scrollTop = 0;
  policy.setModality(item.modality);
  byId("what").focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** Show no item. */
export function closeItem() {
  work.hidden = true;
  delete work.dataset.sample;
  delete work.dataset.modality;
  reveal.open(null);
  write(said, "", null);
}

/** @param {string} key @param {string} name @param {Record<string, any>} about @param {string} [more] */
function option(key, name, about, more = "") {
  const id = `option-${about["data-value"]}`;
  return make("button", {
    "aria-labelledby": id,
    "aria-describedby": more ? `${id}-more` : null,
    "aria-keyshortcuts": key || null,
    ...about,
  },
  key ? cap(key) : "",
  make("span", { class: "option" },
    make("span", { id, class: "name", text: name, lang: about.lang }),
    ...(more ? [make("span", { id: `${id}-more`, class: "more", text: more, lang: about["data-lang"] })] : [])));
}

function gradeOptions() {
  return grades.map((grade) => option(GRADE_KEYS[grade] || "", say(`grade_${grade}`), {
    class: `choice ${grade}`, "data-grade": grade, "data-value": grade, "data-lang": setup.policy.language,
    click: () => on.grade(grade),
  }, setup.policy.severities[grade] || say("not_sure_text")));
}

function categoryOptions() {
  return categories.map((/** @type {any} */ each, /** @type {number} */ at) => option(
    letterOf(at), `${each.id} ${each.name}`, {
      class: "choice", "data-category": each.id, "data-value": each.id, lang: setup.policy.language,
      click: () => on.category(each.id),
      pointerenter: (/** @type {PointerEvent} */ event) => {
        if (event.pointerType === "mouse") policy.handle(each.id);
      },
      focus: () => policy.handle(each.id),
    }));
}

/** @param {"refers" | "because"} what */
function reasonOptions(what) {
  return setup[what].map((/** @type {string} */ name, /** @type {number} */ at) => option(
    digitOf(name, at), say(`${what}_${name}`), {
      class: "choice", "data-value": name, click: () => on[what](name),
    }, say(`${what}_${name}_text`)));
}

/** Show a step. @param {import("./grade-steps.js").Step} step @param {import("./grade-steps.js").Draft} draft */
export function showStep(step, draft) {
  const before = options.dataset.step;
  options.dataset.step = step;
  byId("question").textContent = say(`question_${step}`);
  if (step === "grade") options.replaceChildren(...gradeOptions());
  else if (step === "category") options.replaceChildren(...categoryOptions());
  else if (step !== "done") options.replaceChildren(...reasonOptions(step));
  if (step === "category") policy.handle("");
  const chosen = byId("chosen");
  chosen.hidden = draft.grade === null;
  if (draft.grade !== null) {
    const category = draft.category && policy.categoryOf(draft.category);
    chosen.replaceChildren(
      make("span", { class: `severity ${draft.grade}`, text: say(`grade_${draft.grade}`) }),
      ...(category ? [make("span", { text: `${category.id} ${category.name}`, lang: setup.policy.language })] : []),
      ...(draft.refers ? [make("span", { text: say(`refers_${draft.refers}`) })] : []),
      make("button", { class: "quiet", click: () => on.back(null) }, say("change"), " ", cap("Esc")),
    );
  }
  showExtras(draft);
  if (step !== before && step !== "grade") byId("question").focus({ preventScroll: true });
}

/** @param {import("./grade-steps.js").Draft} draft */
export function showExtras(draft) {
  for (const each of byId("confidence").children) {
    each.setAttribute("aria-pressed", String(Number(/** @type {HTMLElement} */ (each).dataset.value) === draft.confidence));
  }
  for (const child of byId("admissible").children) {
    const each = /** @type {HTMLElement} */ (child);
    const grade = each.dataset.value || "";
    each.hidden = grade === draft.grade;
    each.setAttribute("aria-pressed", String(draft.admissible.includes(grade)));
  }
  if (note.value !== draft.note) note.value = draft.note;
  byId("note-button").classList.toggle("filled", draft.note.trim() !== "");
}

/** @param {boolean} wanted */
export function openNote(wanted) {
  byId("note-field").hidden = !wanted;
  byId("note-button").setAttribute("aria-expanded", String(wanted));
  if (wanted) note.focus();
  else if (document.activeElement === document.body || document.activeElement === note) byId("question").focus({ preventScroll: true });
}

/** Whether digits choose what else is possible. @param {boolean} wanted */
export function openOtherwise(wanted) {
  byId("otherwise").classList.toggle("open", wanted);
  byId("otherwise-keys").hidden = !wanted;
}

/** @param {string} [text] none to take it away */
export function unseen(text) {
  byId("unseen").hidden = !text;
  byId("unseen").textContent = text || "";
}

/** Move among the options. @param {1 | -1} by */
export function moveFocus(by) {
  const all = /** @type {HTMLElement[]} */ ([...options.querySelectorAll("button")]);
  const at = all.indexOf(/** @type {any} */ (document.activeElement));
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length;
  all[next]?.focus();
}

/** Scroll the text, if it is longer than its place. @param {number} pages */
export function scrollText(pages) {
  if (said.hidden || said.scrollHeight <= said.clientHeight + 1) return false;
  said.scrollBy({ top: pages * said.clientHeight });
  return true;
}

/** What is done when something is chosen. @param {typeof on} does */
export function listen(does) {
  on = does;
  for (const value of setup.confidences) {
    byId("confidence").append(make("button", {
      "data-value": value, "aria-pressed": "false", text: say(`confidence_${value}`),
      click: () => on.confidence(value),
    }));
  }
  for (const grade of setup.severities) {
    byId("admissible").append(make("button", {
      "data-value": grade, "aria-pressed": "false", text: say(`grade_${grade}`),
      "aria-label": say("also_possible", { grade: say(`grade_${grade}`) }),
      click: () => on.admissible(grade),
    }));
  }
  note.addEventListener("input", () => on.note(note.value));
  byId("note-button").addEventListener("click", () => openNote(byId("note-field").hidden));
}
