// @ts-check
/** The grader's page: an item, the steps of its answer, the next item. */

import { Failure, address, get, post } from "./grade-api.js";
import * as care from "./grade-care.js";
import { announce, byId, data, make, say } from "./grade-dom.js";
import * as keys from "./grade-keys.js";
import { Outbox, newId } from "./grade-outbox.js";
import * as policy from "./grade-policy.js";
import * as rest from "./grade-rest.js";
import * as reveal from "./grade-reveal.js";
import { GRADE_KEYS, answer, digitOf, emptyDraft, letterOf, nextStep, stepBack } from "./grade-steps.js";
import { Supply } from "./grade-supply.js";
import * as view from "./grade-view.js";

const setup = data("setup");
const HEARTBEAT = 60_000;
const DORMANT = 10 * 60_000; // an item that nobody looks at goes to somebody else

let draft = emptyDraft();
/** The grade that was given to a picture that was not looked at, and is to be given again. */
let unseen = "";
let otherwise = false;
let busy = false;
let dormant = false;
/** What was answered last, for as long as it may be taken back. @type {{ item: import("./grade-supply.js").Item, draft: typeof draft, id: string } | null} */
let last = null;
/** What the server says of this grader. @type {any} */
let me = null;
let sinceMe = 0;

const outbox = new Outbox(`vlsu-grade ${setup.me}`, {
  changed: showSaved,
  done(entry, result) {
    sinceMe += 1;
    if (sinceMe >= 10) void refresh();
    if (entry.path === "api/submit" && result.feedback && waiting === entry.body.client_id) {
      showFeedback(result.feedback);
    }
    if (waiting === entry.body.client_id && !result.feedback) goOn();
    if (!supply.ahead.length) void supply.fill();
  },
  failed(entry, failure) {
    const gone = failure.kind === "lost";
    notify(gone ? say("lost") : say("refused", { why: failure.message }), "bad");
    if (waiting === entry.body.client_id) goOn();
    void supply.fill();
  },
});

const supply = new Supply({ held: setup.held, answered: () => outbox.keys }, {
  came: open,
  none(why) {
    if (!outbox.pending && !waiting && !rest.isOpen()) showNothing(why);
    else if (rest.isOpen() && resting === "nothing") showNothing(why);
  },
  taken() {
    notify(say("lost"), "bad");
    next();
  },
  failed(failure) {
    if (failure.kind === "signed-out" || failure.kind === "stale") showSignedOut(failure.kind);
    else if (failure.kind === "wrong") notify(say("refused", { why: failure.message }), "bad");
    if (failure.kind === "away" && !supply.current) showState("away");
  },
});

/** A training item that is answered: the client id whose feedback is waited for. */
let waiting = "";
/** What is shown in the place of an item. */
let resting = "";

// Items

function open() {
  const item = supply.current;
  if (!item || dormant) return;
  if (resting === "pause" || resting === "stopped" || resting === "offer") return; // until they go on
  resting = "";
  rest.hide();
  draft = emptyDraft();
  showAnswer();
  view.openItem(item);
  care.shown.reset();
  care.shown.start();
  showState("");
}

/** Go on with the next item: it is there already, unless the line is slow. */
function next() {
  clearNotices();
  supply.advance();
  if (supply.current && care.breakDue(Boolean(me?.break_due))) {
    offerBreak();
  } else if (supply.current) {
    open();
    painted();
  } else {
    view.closeItem();
    care.shown.pause();
    showState("fetching");
    void supply.fill();
  }
}

/** Measure how long it took until the next item is on the screen. */
function painted() {
  if (!performance.getEntriesByName("chosen").length) return;
  requestAnimationFrame(() => setTimeout(() => {
    performance.measure("next-item", "chosen");
    performance.clearMarks("chosen");
  }));
}

function showAnswer() {
  unseen = "";
  view.unseen();
  setOtherwise(false);
  view.openNote(false);
  view.showStep("grade", draft);
}

// Steps

/** @param {string} grade */
function chooseGrade(grade) {
  const item = supply.current;
  if (!item || busy) return;
  if (item.image && !reveal.wasSeen() && unseen !== grade) {
    unseen = grade;
    view.unseen(say("unseen"));
    return;
  }
  set({ grade });
}

/** @param {Partial<typeof draft>} given */
function set(given) {
  const item = supply.current;
  if (!item || busy) return;
  performance.clearMarks("chosen");
  performance.mark("chosen");
  Object.assign(draft, given);
  view.unseen();
  setOtherwise(false);
  const step = nextStep(item.modality, draft);
  if (step === "done") submit(item);
  else view.showStep(step, draft);
}

function back() {
  const item = supply.current;
  if (!item) return;
  unseen = "";
  view.unseen();
  if (otherwise) setOtherwise(false);
  else if (stepBack(draft)) view.showStep(nextStep(item.modality, draft), draft);
  else if (policy.isOpen()) policy.toggle(false);
}

/** @param {import("./grade-supply.js").Item} item */
function submit(item) {
  const id = newId();
  const body = answer(item, draft, { id, revealed: reveal.wasSeen(), seconds: care.shown.seconds });
  forget(last);
  last = { item, draft: { ...draft }, id };
  if (item.training) {
    waiting = id;
    view.closeItem();
    care.shown.pause();
    showState("checking");
  }
  outbox.add("api/submit", item.key, body);
  count();
  if (item.training) supply.current = null;
  else next();
}

/** @param {typeof last} answered */
function forget(answered) {
  answered?.item.picture?.release();
}

/** @param {any} feedback */
function showFeedback(feedback) {
  if (!last) return;
  resting = "feedback";
  const given = { grade: last.draft.grade || "", category: last.draft.category };
  rest.show("", []);
  rest.feedback(feedback, given, last.item.modality, goOn);
  showState("");
}

/** On after feedback, a break, a stop. */
function goOn() {
  waiting = "";
  resting = "";
  rest.hide();
  if (supply.current) open();
  else next();
}

async function takeBack() {
  if (busy || dormant) return;
  const entry = outbox.takeOut();
  if (entry && last && last.id === entry.body.client_id) {
    reopen(last.item);
    return;
  }
  if (outbox.pending && outbox.state !== "sending") {
    notify(say("take_back_later"));
    return;
  }
  busy = true;
  try {
    await outbox.empty();
    const { item } = await post("api/take-back", {});
    const same = last && last.item.sample === item.sample && last.item.modality === item.modality;
    reopen(same && last ? { ...item, picture: last.item.picture } : Supply.prepare(item));
    void supply.heartbeat(); // what came after it may have been put back
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    notify(say(error.kind === "wrong" ? "take_back_none" : "take_back_later"));
  } finally {
    busy = false;
  }
}

/** @param {import("./grade-supply.js").Item} item */
function reopen(item) {
  const given = last && last.item.sample === item.sample ? last.draft : null;
  last = null;
  waiting = "";
  resting = "";
  supply.putBack(item);
  open();
  if (given) {
    Object.assign(draft, { confidence: given.confidence, admissible: given.admissible, note: given.note });
    view.showStep("grade", draft);
    const named = say(`grade_${given.grade}`) + (given.category ? `, ${given.category}` : "");
    notify(say("taken_back", { grade: named }), "good");
  } else {
    notify(say("taken_back_item"), "good");
  }
  void refresh();
}

function skip() {
  const item = supply.current;
  if (!item || busy) return;
  performance.mark("chosen");
  outbox.add("api/skip", item.key, { key: item.key, seconds: care.shown.seconds });
  item.picture?.release();
  count();
  next();
  notify(say("skipped"), "good");
}

/** @param {string} kind */
function stop(kind) {
  const item = supply.current;
  if (!item) return;
  outbox.add("api/stop", item.key, { key: item.key, kind, seconds: care.shown.seconds });
  item.picture?.release();
  supply.current = null;
  view.closeItem();
  care.shown.pause();
  resting = "stopped";
  rest.show(say("stopped"), [say("stopped_text"), make("p", { text: supportText(), dir: "auto" })], [
    { name: say("pause_take"), does: takeBreak },
    { name: say("go_on"), does: goOn },
  ]);
}

// Breaks

function offerBreak() {
  resting = "offer";
  view.closeItem();
  care.shown.pause();
  rest.show(say("offer"), [say("offer_text")], [
    { name: say("pause_take"), does: takeBreak },
    { name: say("offer_later"), does: () => { care.later(); goOn(); } },
  ]);
}

function takeBreak() {
  resting = "pause";
  view.closeItem();
  care.shown.pause();
  care.since.reset();
  care.later();
  rest.pause(5, supportText(), goOn);
}

const supportText = () => me?.support?.text || say("support");

/** @param {string} why */
function showNothing(why) {
  if (dormant) return;
  resting = "nothing";
  view.closeItem();
  showState("");
  rest.nothing(why, () => { showState("fetching"); void supply.fill(); }, () => void takeBack());
}

// What is saved, and what went wrong

function showSaved() {
  const place = byId("saved");
  place.dataset.state = outbox.state;
  const shown = outbox.state === "sending" && outbox.pending === 1 ? "saving" : outbox.state;
  const texts = { saved: "saved", saving: "saving", sending: "sending", retrying: "retrying", "signed-out": "unsent", stale: "unsent" };
  place.textContent = say(texts[shown], { number: outbox.pending });
  if (outbox.state === "signed-out" || outbox.state === "stale") showSignedOut(outbox.state);
}

/** @param {"signed-out" | "stale"} kind */
function showSignedOut(kind) {
  if (byId("notices").querySelector("[data-kind=session]")) return;
  byId("notices").prepend(make("div", { class: "notice bad", role: "alert", "data-kind": "session" },
    make("p", { text: say(kind === "stale" ? "stale" : "signed_out") }),
    make("div", { class: "row" },
      make("a", { class: "button", href: address("login"), target: "_blank", rel: "noopener", text: say("sign_in") }),
      make("button", { text: say("try_again"), click: again }))));
}

/** Load the page anew if somebody is signed in; answers that are not sent are kept for it. */
async function again() {
  try {
    await get("api/me");
    addEventListener("beforeunload", (event) => event.stopImmediatePropagation(), { capture: true });
    location.reload();
  } catch {
    announce(say("signed_out"));
  }
}

/** @param {string} text @param {"" | "bad" | "good"} [kind] */
function notify(text, kind = "") {
  clearNotices();
  const close = make("button", { class: "quiet", "aria-label": say("close"), text: "×", click: clearNotices });
  byId("notices").append(make("div", { class: `notice passing ${kind}`, role: "alert" }, make("p", { text }), close));
}

function clearNotices() {
  for (const each of byId("notices").querySelectorAll(".passing")) each.remove();
}

/** @param {"" | "fetching" | "checking" | "away"} what there is no item for */
function showState(what) {
  const place = byId("state");
  place.hidden = !what;
  place.textContent = what ? say(`state_${what}`) : "";
}

// Progress

async function refresh() {
  sinceMe = 0;
  try {
    me = await get("api/me");
  } catch {
    return; // it comes with the next heartbeat
  }
  policy.setNotes(me.policy.notes);
  showToday();
}

/** One more is done, until the server counts. */
function count() {
  if (!me) return;
  me.today.items += 1;
  me.today.minutes += care.shown.seconds / 60;
  showToday();
}

function showToday() {
  const { today, bounds } = me;
  const minutes = Math.round(today.minutes);
  byId("today").textContent = [
    say("today_items", { number: today.items }),
    bounds.minutes ? say("today_minutes_of", { minutes, bound: bounds.minutes }) : say("today_minutes", { minutes }),
    bounds.hard ? say("today_hard_of", { number: today.hard, bound: bounds.hard }) : say("today_hard", { number: today.hard }),
  ].join(" · ");
}

// Keys

/** @param {boolean} wanted */
function setOtherwise(wanted) {
  otherwise = wanted;
  view.openOtherwise(wanted);
}

/** @param {string} grade */
function toggleAdmissible(grade) {
  const has = draft.admissible.includes(grade);
  draft.admissible = has ? draft.admissible.filter((each) => each !== grade) : [...draft.admissible, grade];
  view.showExtras(draft);
}

/** @param {number | null} value */
function setConfidence(value) {
  draft.confidence = draft.confidence === value ? null : value;
  view.showExtras(draft);
}

function nextConfidence() {
  const all = setup.confidences;
  draft.confidence = all[all.indexOf(draft.confidence) + 1] ?? null;
  view.showExtras(draft);
  announce(draft.confidence === null ? say("confidence_none") : say(`confidence_${draft.confidence}`));
}

/** @param {string} key @param {KeyboardEvent} event @returns {boolean} */
function act(key, event) {
  const everywhere = { "?": () => dialog("help"), z: () => void takeBack(), p: () => policy.toggle() };
  if (everywhere[key] && (key !== "p" || supply.current)) {
    everywhere[key]();
    return true;
  }
  const item = supply.current;
  if (!item || rest.isOpen() || busy) return false;
  const step = nextStep(item.modality, draft);
  const anywhere = {
    Escape: back, s: skip, n: () => view.openNote(true), "!": () => dialog("stop-dialog"),
    "+": () => reveal.enlarge(true), "=": () => reveal.enlarge(true), "-": () => reveal.enlarge(false),
    ArrowDown: () => { if (step === "grade" ? !view.scrollText(0.2) : true) view.moveFocus(1); },
    ArrowUp: () => { if (step === "grade" ? !view.scrollText(-0.2) : true) view.moveFocus(-1); },
    PageDown: () => view.scrollText(0.9), PageUp: () => view.scrollText(-0.9),
  };
  if (anywhere[key]) {
    anywhere[key]();
    return true;
  }
  if (step === "grade") return actOnGrade(key);
  if (step === "category") {
    const at = view.categories.findIndex((/** @type {any} */ _, /** @type {number} */ n) => letterOf(n) === key);
    if (at < 0) return false;
    const { id } = view.categories[at];
    if (event.shiftKey) policy.read(id);
    else set({ category: id });
    return true;
  }
  if (step === "done") return false;
  const reason = setup[step].find((/** @type {string} */ name, /** @type {number} */ n) => digitOf(name, n) === key);
  if (!reason) return false;
  set({ [step]: reason });
  return true;
}

/** @param {string} key */
function actOnGrade(key) {
  const grade = view.grades.find((/** @type {string} */ each) => GRADE_KEYS[each] === key);
  if (otherwise) {
    if (grade && grade !== "not_sure") toggleAdmissible(grade);
    else if (key === "o" || key === "Enter") setOtherwise(false);
    return true;
  }
  if (grade) chooseGrade(grade);
  else if (key === "c") nextConfidence();
  else if (key === "o") setOtherwise(true);
  else return false;
  return true;
}

/** @param {string} id */
function dialog(id) {
  reveal.hide();
  /** @type {HTMLDialogElement} */ (byId(id)).showModal();
}

// The page

const channel = new BroadcastChannel(`vlsu-grade ${setup.me}`);
channel.onmessage = () => {
  dormant = true;
  supply.stop();
  view.closeItem();
  resting = "elsewhere";
  rest.show(say("elsewhere"), [say("elsewhere_text")], [{ name: say("go_on_here"), does: begin }]);
};

/** Go on in this window; others stop. */
function begin() {
  channel.postMessage("mine");
  dormant = false;
  resting = "";
  rest.hide();
  showState("fetching");
  supply.start();
  outbox.kick();
  void refresh();
}

view.listen({
  grade: chooseGrade, category: (id) => set({ category: id }), refers: (refers) => set({ refers }),
  because: (because) => set({ because }), back, confidence: setConfidence, admissible: toggleAdmissible,
  note: (text) => { draft.note = text; view.showExtras(draft); },
});
policy.listen();
reveal.listen();
keys.listen(act, () => view.openNote(false));
byId("help-button").addEventListener("click", () => dialog("help"));
byId("stop").addEventListener("click", () => dialog("stop-dialog"));
byId("skip").addEventListener("click", skip);
byId("take-back").addEventListener("click", () => void takeBack());
for (const each of document.querySelectorAll("dialog")) {
  each.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (!button) return;
    each.close();
    if (button.dataset.kind) stop(button.dataset.kind);
  });
}
setInterval(() => {
  if (care.idleFor() < DORMANT) void supply.heartbeat();
  void refresh();
}, HEARTBEAT);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") void supply.heartbeat();
});
care.keepTime(`vlsu-grade-time ${setup.me}`);
showSaved();
begin();
