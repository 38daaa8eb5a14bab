// @ts-check
/** Notes on the policy: those there are, and a new one with what it would open again. */

import { Failure, post } from "./grade-api.js";
import { announce, byId, data, make, say as sayOfPage } from "./grade-dom.js";
import * as policy from "./grade-policy.js";

const strings = data("note-strings");
const setup = data("setup");
const dialog = /** @type {HTMLDialogElement} */ (byId("notes"));
const form = /** @type {HTMLFormElement} */ (byId("note-form"));
const text = /** @type {HTMLTextAreaElement} */ (byId("note-text"));
const category = /** @type {HTMLSelectElement} */ (byId("note-category"));
const ofCategory = /** @type {HTMLSelectElement} */ (byId("opens-category"));
const ofModality = /** @type {HTMLSelectElement} */ (byId("opens-modality"));
const decided = /** @type {HTMLInputElement} */ (byId("opens-decided"));
const button = /** @type {HTMLButtonElement} */ (byId("note-add"));
/** The case that a note comes from. @type {string | null} */
let dispute = null;
let asked = 0;
let fetched = 0;
let drawn = 0;

/** @param {string} name @param {Record<string, string | number>} [values] */
const say = (name, values = {}) => strings[name].replace(/\{(\w+)\}/g, (/** @type {string} */ _, /** @type {string} */ key) => String(values[key]));

const opensSome = () => /** @type {HTMLInputElement} */ (form.elements.namedItem("opens") && form.querySelector("[name=opens]:checked")).value === "some";

const wanted = () => ({
  category: ofCategory.value || null, modality: ofModality.value || null, decided: decided.checked,
});

/** @param {any[]} notes */
function draw(notes) {
  policy.setNotes([...notes].reverse());
  byId("notes-list").replaceChildren(...(notes.length ? notes : [null]).map((note) => (note === null
    ? make("li", { class: "muted", text: say("none") })
    : make("li", {},
      make("p", { class: "label" }, note.version, " · ",
        make("span", { text: note.category || say("general") }),
        ...(note.opened ? [` · ${say("opened", {
          category: note.opened.category || say("all_categories"),
          modality: note.opened.modality ? sayOfPage(`modality_${note.opened.modality}`) : say("all_modalities"),
        })}`] : [])),
      make("p", { text: note.text, dir: "auto", lang: setup.policy.language })))));
}

/** Fetch the notes there are. */
export async function refresh() {
  const turn = ++fetched;
  try {
    const { notes } = await post("api/notes", {});
    if (turn < drawn) return; // it was overtaken: what is shown is newer
    drawn = turn;
    draw(notes);
  } catch {
    // they come with the next look
  }
}

/** Say what would be opened again, before it is. */
async function weigh() {
  const mine = ++asked;
  byId("opens-which").hidden = !opensSome();
  if (!opensSome()) return;
  const place = byId("touched");
  try {
    const found = await post("api/note-touches", { ...wanted(), dispute });
    if (mine !== asked) return;
    const parts = [found.grades ? say("touched", found) : say("touched_none")];
    if (found.others) parts.push(say("touched_others", { number: found.others }));
    if (found.decided) parts.push(say(decided.checked ? "touched_decided" : "touched_kept", { number: found.decided }));
    if (dispute) parts.push(say("touched_case"));
    place.textContent = parts.join(" ");
  } catch (error) {
    if (mine !== asked) return;
    place.textContent = error instanceof Failure && error.message ? error.message : sayOfPage("away");
  }
}

/** @param {SubmitEvent} event */
async function add(event) {
  event.preventDefault();
  if (button.disabled) return;
  button.disabled = true;
  byId("note-error").hidden = true;
  try {
    const { note } = await post("api/note", {
      text: text.value, category: category.value || null, dispute, opens: opensSome() ? wanted() : null,
    });
    form.reset();
    void weigh();
    await refresh();
    announce(say("added", { version: note.version }));
    dialog.dispatchEvent(new CustomEvent("added"));
    byId("notes-list").lastElementChild?.scrollIntoView({ block: "nearest" });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    byId("note-error").hidden = false;
    byId("note-error").textContent = error.message || sayOfPage(error.kind === "signed-out" ? "signed_out" : "away");
  } finally {
    button.disabled = false;
  }
}

/**
 * Open the notes, with a new one begun.
 * @param {string | null} from the case that it comes from
 * @param {string} about the category at hand
 * @param {string} modality of the case; empty for none
 */
export function open(from, about, modality) {
  dispute = from;
  if (!text.value) {
    category.value = ofCategory.value = about;
    ofModality.value = modality;
  }
  dialog.showModal();
  text.focus();
  void refresh();
  void weigh();
}

export function listen() {
  for (const [select, first] of /** @type {const} */ ([[category, "general"], [ofCategory, "all_categories"]])) {
    select.append(make("option", { value: "", text: say(first) }));
    for (const each of setup.policy.categories) {
      select.append(make("option", { value: each.id, text: `${each.id} ${each.name}`, lang: setup.policy.language }));
    }
  }
  category.addEventListener("change", () => { ofCategory.value = category.value; void weigh(); });
  for (const each of [ofCategory, ofModality, decided, ...form.querySelectorAll("[name=opens]")]) {
    each.addEventListener("change", () => void weigh());
  }
  form.addEventListener("submit", (event) => void add(event));
}
