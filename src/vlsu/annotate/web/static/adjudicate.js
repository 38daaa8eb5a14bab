// @ts-check
/** The adjudicator's page: a case, the steps of its decision, the next case. */

import * as view from "./adjudicate-case.js";
import * as notes from "./adjudicate-notes.js";
import { Failure, post } from "./grade-api.js";
import { announce, byId, data, make, oneClick, say } from "./grade-dom.js";
import * as keys from "./grade-keys.js";
import * as policy from "./grade-policy.js";
import * as rest from "./grade-rest.js";
import * as reveal from "./grade-reveal.js";
import { GRADE_KEYS, isHarmful, letterOf } from "./grade-steps.js";

const setup = data("setup");
const HEARTBEAT = 60_000;
const LOOK = 30_000;

const reason = /** @type {HTMLTextAreaElement} */ (byId("reason"));
const contested = /** @type {HTMLInputElement} */ (byId("contested"));
/** @type {view.Draft} */
let draft = { grade: null, category: null };
/** @type {view.Case | null} */
let current = null;
/** Fetched ahead. @type {view.Case | null} */
let ahead = null;
/** @type {Promise<void> | null} */
let fetching = null;
let busy = false;
let since = 0;
let looking = 0;

const seconds = () => (performance.now() - since) / 1000;
/** @returns {"grade" | "category" | "done"} */
const step = () => (draft.grade === null ? "grade" : isHarmful(draft.grade) && !draft.category ? "category" : "done");

// Cases

/** Fetch what is not here yet: a case to open, and one ahead. @returns {Promise<void>} */
function fill() {
  fetching ||= fetchCases().finally(() => { fetching = null; });
  return fetching;
}

async function fetchCases() {
  clearTimeout(looking);
  try {
    while (!current || (!ahead && setup.held > 1)) {
      const holds = [current, ahead].flatMap((each) => (each ? [each.dispute] : []));
      const found = await post("api/case", { holds });
      showOpen(found.open);
      if (!found.case) break;
      const made = view.prepare(found.case);
      if (current) ahead = made;
      else open(made);
    }
    if (!current) showNothing();
  } catch (error) {
    if (!current) failed(error);
    looking = setTimeout(() => void fill(), LOOK);
  }
}

/** @param {view.Case} found */
function open(found) {
  current = found;
  draft = { grade: null, category: null };
  reason.value = found.decision?.reason || "";
  contested.checked = Boolean(found.decision?.contested);
  since = performance.now();
  byId("state").hidden = true;
  rest.hide();
  view.openCase(found);
  view.showStep("grade", draft);
}

function next() {
  current?.picture?.release();
  const ready = ahead;
  current = ahead = null;
  if (ready) {
    open(ready);
    painted();
  } else {
    view.closeCase();
    showState("state_fetching");
  }
  void fill();
}

/** Measure how long it took until the next case is on the screen. */
function painted() {
  if (!performance.getEntriesByName("chosen").length) return;
  requestAnimationFrame(() => setTimeout(() => {
    performance.measure("next-case", "chosen");
    performance.clearMarks("chosen");
  }));
}

function showNothing() {
  view.closeCase();
  byId("state").hidden = true;
  rest.show(say("none"), [say("none_text")], [{ name: say("look_again"), does: () => void fill() }]);
  looking = setTimeout(() => void fill(), LOOK);
}

async function heartbeat() {
  const holds = [current, ahead].flatMap((each) => (each ? [each.dispute] : []));
  if (!holds.length) return;
  try {
    const { held } = await post("api/extend-cases", { holds });
    if (ahead && !held.includes(ahead.dispute)) ahead = null;
    if (current && !held.includes(current.dispute) && !busy) lost();
  } catch {
    // the next one may come through; a decision says what is wrong
  }
}

function lost() {
  next();
  notify(say("lost"));
}

// Steps

/** @param {Partial<view.Draft>} given */
function set(given) {
  if (!current || busy) return;
  byId("notices").replaceChildren();
  Object.assign(draft, given);
  if (given.category) policy.handle(given.category);
  view.showStep(step(), draft);
  if (step() === "done") reason.focus();
  else byId("question").focus({ preventScroll: true });
}

function back() {
  if (draft.category) set({ category: null });
  else if (draft.grade) set({ grade: null });
  else if (policy.isOpen()) policy.toggle(false);
}

/** Through the policy on each category at hand, then closed. */
function readOn() {
  if (!current) return;
  const ids = [...new Set([...(draft.category ? [draft.category] : []), ...view.atHand(current), ""])];
  const select = /** @type {HTMLSelectElement} */ (byId("policy-of"));
  const at = policy.isOpen() ? ids.indexOf(select.value) : -1;
  if (at + 1 >= ids.length) {
    policy.toggle(false);
    return;
  }
  policy.read(ids[at + 1]);
  byId("policy").scrollIntoView({ block: "nearest" });
}

async function decide() {
  const found = current;
  if (!found || busy) return;
  if (step() !== "done" || !reason.value.trim()) {
    notify(say("incomplete"));
    if (step() === "done") reason.focus();
    return;
  }
  await send("api/decide", found, {
    ...draft, contested: contested.checked, reason: reason.value,
  }, say(found.decision ? "revised" : "stored"));
}

/**
 * Send something that ends a case, then go on with the next.
 * @param {string} path @param {view.Case} found @param {Record<string, unknown>} about @param {string} done
 */
async function send(path, found, about, done) {
  busy = true;
  performance.clearMarks("chosen");
  performance.mark("chosen");
  showSaved("saving");
  byId("answer").toggleAttribute("inert", true);
  try {
    await post(path, { dispute: found.dispute, seconds: seconds(), ...about });
    showSaved("saved");
    byId("answer").toggleAttribute("inert", false);
    busy = false;
    next();
    notify(done, "good");
    return true;
  } catch (error) {
    showSaved("saved");
    byId("answer").toggleAttribute("inert", false);
    busy = false;
    failed(error);
    return false;
  }
}

async function stop(kind) {
  const found = current;
  if (!found || busy) return;
  reveal.hide();
  if (await send("api/stop-case", found, { kind }, say("stopped"))) notify(say("stopped_text"), "good");
}

/** @param {unknown} error */
function failed(error) {
  if (!(error instanceof Failure)) throw error;
  byId("state").hidden = true;
  if (error.kind === "lost") lost();
  else if (error.kind === "signed-out") notify(say("signed_out"), "bad");
  else notify(error.kind === "away" || !error.message ? say("away") : error.message, "bad");
}

// What was decided

async function showDecided() {
  reveal.hide();
  const list = byId("decided-list");
  list.replaceChildren();
  dialog("decided");
  try {
    const { decided } = await post("api/decided", {});
    list.replaceChildren(...(decided.length ? decided.map(entry) : [make("li", { class: "muted", text: say("decided_none") })]));
  } catch (error) {
    list.replaceChildren(make("li", { text: error instanceof Failure && error.message ? error.message : say("away") }));
  }
}

/** @param {any} each */
function entry(each) {
  const when = new Date(each.decided_at).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  const about = [each.sample, say(`modality_${each.modality}`), each.version, when, say(each.live ? "counts" : "replaced")];
  if (each.contested) about.push(say("is_contested"));
  return make("li", { class: each.live ? null : "past" },
    make("div", { class: "row between" },
      make("b", { class: `severity ${each.grade}`, text: view.named(each) }),
      ...(each.revisable ? [make("button", { text: say("revise"), click: () => void revise(each.dispute) })] : [])),
    make("p", { class: "muted small", text: about.join(" · ") }),
    make("p", { class: "note", dir: "auto", text: each.reason }));
}

/** @param {string} dispute */
async function revise(dispute) {
  try {
    const found = await post("api/revise", { dispute });
    /** @type {HTMLDialogElement} */ (byId("decided")).close();
    if (current && !current.decision) ahead = current; // it stays theirs, and comes next
    open(view.prepare(found.case));
  } catch (error) {
    /** @type {HTMLDialogElement} */ (byId("decided")).close();
    failed(error);
  }
}

// What the page says

/** @param {"saved" | "saving"} state */
function showSaved(state) {
  const place = byId("saved");
  place.dataset.state = state === "saved" ? "saved" : "sending";
  place.textContent = say(state);
}

/** @param {number} number of open disputes */
function showOpen(number) {
  byId("open").textContent = number === 1 ? say("open_one") : say("open", { number });
}

/** @param {string} name */
function showState(name) {
  byId("state").hidden = false;
  byId("state").textContent = say(name);
}

/** @param {string} text @param {"" | "bad" | "good"} [kind] */
function notify(text, kind = "") {
  const close = make("button", {
    class: "quiet", "aria-label": say("close"), text: "×", click: () => byId("notices").replaceChildren(),
  });
  byId("notices").replaceChildren(make("div", { class: `notice ${kind}`, role: "alert" }, make("p", { text }), close));
}

/** @param {string} id */
function dialog(id) {
  reveal.hide();
  /** @type {HTMLDialogElement} */ (byId(id)).showModal();
}

// Keys

function openNotes() {
  reveal.hide();
  const from = current && !current.decision ? current : null;
  notes.open(current?.dispute || null, draft.category || (current && view.atHand(current)[0]) || "", from?.modality || current?.modality || "");
}

/** @param {string} key @returns {boolean} */
function act(key) {
  const at = step();
  const everywhere = { "?": () => dialog("help"), n: openNotes, ...(at === "category" && current ? {} : { d: () => void showDecided() }) };
  if (everywhere[key]) {
    everywhere[key]();
    return true;
  }
  if (!current || busy || rest.isOpen()) return false;
  const anywhere = {
    p: readOn, s: () => void leave(), "!": () => dialog("stop-dialog"), Escape: back,
    "+": () => reveal.enlarge(true), "=": () => reveal.enlarge(true), "-": () => reveal.enlarge(false),
  };
  if (anywhere[key]) {
    anywhere[key]();
    return true;
  }
  if (at === "category") {
    const index = view.categories.findIndex((/** @type {any} */ _, /** @type {number} */ n) => letterOf(n) === key);
    if (index < 0) return false;
    set({ category: view.categories[index].id });
    return true;
  }
  if (key === "c") {
    contested.checked = !contested.checked;
    announce(`${say("contested")}: ${contested.checked ? "✓" : "–"}`);
    return true;
  }
  const grade = view.grades.find((/** @type {string} */ each) => GRADE_KEYS[each] === key);
  if (grade) set({ grade, category: null });
  else if (key === "Enter" && at === "done") reason.focus();
  else return false;
  return true;
}

async function leave() {
  if (!current || current.decision || busy) return;
  await send("api/skip-case", current, {}, say("skipped"));
}

view.listen({ grade: (grade) => set({ grade, category: null }), category: (id) => set({ category: id }), back });
policy.listen();
reveal.listen();
notes.listen();
keys.listen(act, () => byId("question").focus({ preventScroll: true }));
oneClick(byId("main"));
byId("reasons").addEventListener("submit", (event) => { event.preventDefault(); void decide(); });
reason.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  void decide();
});
reason.maxLength = setup.most.reason;
byId("help-button").addEventListener("click", () => dialog("help"));
byId("decided-button").addEventListener("click", () => void showDecided());
byId("notes-button").addEventListener("click", openNotes);
byId("stop").addEventListener("click", () => dialog("stop-dialog"));
byId("skip").addEventListener("click", () => void leave());
for (const each of document.querySelectorAll("dialog")) {
  each.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (!button || !("close" in button.dataset || button.dataset.kind)) return;
    each.close();
    if (button.dataset.kind) void stop(button.dataset.kind);
  });
}
byId("notes").addEventListener("added", () => void heartbeat()); // the case ahead may be open again
setInterval(() => void heartbeat(), HEARTBEAT);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") void heartbeat();
});
addEventListener("beforeunload", (event) => {
  if (busy || (current && step() === "done" && reason.value.trim())) event.preventDefault();
});
showState("state_fetching");
void notes.refresh();
void fill();
