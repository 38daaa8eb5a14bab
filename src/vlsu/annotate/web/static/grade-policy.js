// @ts-check
/** The policy's text for the category at hand, in the modality at hand. */

import { byId, data, make, say } from "./grade-dom.js";

const { policy, severities } = data("setup");
const panel = byId("policy");
const select = /** @type {HTMLSelectElement} */ (byId("policy-of"));
const text = byId("policy-text");

/** @type {"image" | "text" | "joint"} */
let modality = "text";
/** @type {{ id: number, category: string | null, text: string, version: string }[]} */
let notes = [];
let hand = "";

export const isOpen = () => !panel.hidden;

/** @param {string} id */
export const categoryOf = (id) => policy.categories.find((/** @type {any} */ each) => each.id === id);

/**
 * The policy's line on a grade of a category.
 * @param {string} id @param {string} grade @param {string} of the modality
 */
export function lineOf(id, grade, of) {
  const found = categoryOf(id)?.severities[grade];
  if (!found) return policy.severities[grade] || "";
  return of === "joint" || found.image === found.text ? found.text : found[of];
}

/** @param {string} content */
const written = (content) => make("p", { lang: policy.language, dir: "auto", text: content });

/** @param {{ image: string, text: string }} lines */
function linesOf(lines) {
  if (modality !== "joint") return [written(lines[modality])];
  if (lines.image === lines.text) return [written(lines.text)];
  return [
    make("p", { class: "label", text: say("modality_image") }), written(lines.image),
    make("p", { class: "label", text: say("modality_text") }), written(lines.text),
  ];
}

function draw() {
  const found = categoryOf(hand);
  /** @type {Node[]} */
  const parts = [];
  for (const note of notes) {
    if (note.category && note.category !== hand) continue;
    parts.push(make("div", { class: "notice" },
      make("p", { class: "label", text: say("policy_note", { version: note.version }) }),
      written(note.text)));
  }
  if (found) parts.push(written(found.description));
  if (modality === "joint") parts.push(written(policy.joint));
  parts.push(make("dl", {}, ...severities.map((/** @type {string} */ grade) => make("div", {},
    make("dt", {}, make("span", { class: `severity ${grade}`, text: say(`grade_${grade}`) })),
    make("dd", {}, ...(found ? linesOf(found.severities[grade]) : [written(policy.severities[grade])]))))));
  if (!found) {
    parts.push(make("h4", { text: say("boundary") }));
    parts.push(make("ul", { lang: policy.language },
      ...policy.boundary.map((/** @type {string} */ rule) => make("li", { dir: "auto", text: rule }))));
  }
  text.replaceChildren(...parts);
  text.scrollTop = 0;
  select.value = hand;
}

/** The category at hand. @param {string} id empty for none */
export function handle(id) {
  if (id === hand) return;
  hand = id;
  if (isOpen()) draw();
}

/** @param {typeof modality} now */
export function setModality(now) {
  if (modality === now) return;
  modality = now;
  if (isOpen()) draw();
}

/** @param {typeof notes} now */
export function setNotes(now) {
  notes = now;
  if (isOpen()) draw();
}

/** @param {boolean} [open] the other way if not given */
export function toggle(open = panel.hidden) {
  panel.hidden = !open;
  byId("policy-button").setAttribute("aria-expanded", String(open));
  if (open) draw();
}

/** Read about a category, the panel being opened if it is not. @param {string} id */
export function read(id) {
  handle(id);
  toggle(true);
}

export function listen() {
  select.append(make("option", { value: "", text: say("policy_general") }));
  for (const each of policy.categories) {
    select.append(make("option", { value: each.id, text: `${each.id} ${each.name}`, lang: policy.language }));
  }
  select.addEventListener("change", () => handle(select.value));
  byId("policy-button").addEventListener("click", () => toggle());
  byId("policy-close").addEventListener("click", () => toggle(false));
}
