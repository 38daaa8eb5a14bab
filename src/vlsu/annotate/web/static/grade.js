// @ts-check
/** The grader's page: an item, the steps of its answer, the next item. */

import { Failure, post } from "./grade-api.js";
import { actions } from "./grade-actions.js";
import * as care from "./grade-care.js";
import * as dialogs from "./grade-dialogs.js";
import { announce, byId, data, oneClick, say } from "./grade-dom.js";
import * as keys from "./grade-keys.js";
import { Outbox, newId } from "./grade-outbox.js";
import * as policy from "./grade-policy.js";
import * as rest from "./grade-rest.js";
import * as reveal from "./grade-reveal.js";
import * as status from "./grade-status.js";
import { answer, emptyDraft, nextStep, stepBack } from "./grade-steps.js";
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
let sinceMe = 0;
let policyVersion = 0;
/** When the last key of an answer was pressed. */
let chosenAt = 0;

const outbox = new Outbox(`vlsu-grade ${setup.me}`, {
  changed: () => status.showSaved(outbox),
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
    if (failure.kind === "wrong") status.notify(say("refused", { why: failure.message }), "bad");
    else if (entry.path === "api/submit") status.notify(say("lost_grade"), "bad");
    if (waiting === entry.body.client_id) goOn();
    void supply.fill();
  },
});

const supply = new Supply({ held: setup.held, answered: () => outbox.keys }, {
  came() {
    if (isHeldUp()) return;
    supply.advance();
    appear();
  },
  none(why) {
    if (!outbox.pending && !waiting && !rest.isOpen()) showNothing(why);
    else if (rest.isOpen() && resting === "nothing") showNothing(why);
  },
  taken() {
    next();
    status.notify(say("lost"), "bad");
  },
  failed(failure) {
    if (failure.kind === "signed-out" || failure.kind === "stale") status.showSignedOut(failure.kind);
    else if (failure.kind === "wrong") status.notify(say("refused", { why: failure.message }), "bad");
    if (failure.kind === "away" && !supply.current) status.showState("away");
  },
});

/** A training item that is answered: the client id whose feedback is waited for. */
let waiting = "";
/** What is shown in the place of an item. */
let resting = "";
/** Why there is nothing. */
let reason = "";

// Items

/** Whether no item is to be opened until the grader goes on. */
const isHeldUp = () => dormant || Boolean(waiting) || !["", "nothing"].includes(resting);

function open() {
  const item = supply.current;
  if (!item || isHeldUp()) return;
  resting = "";
  rest.hide();
  draft = emptyDraft();
  showAnswer();
  view.openItem(item);
  care.shown.reset();
  care.shown.start();
  status.showState("");
}

/** The next item is here: open it, or offer a break before, if there was any work yet. */
function appear() {
  if (last && care.breakDue(status.breakDue())) offerBreak();
  else open();
  if (chosenAt) care.painted(chosenAt);
  chosenAt = 0;
}

/** Go on with the next item: it is there already, unless the line is slow. */
function next() {
  status.clearNotices();
  supply.advance();
  if (supply.current) {
    appear();
  } else {
    view.closeItem();
    care.shown.pause();
    status.showState("fetching");
    void supply.fill();
  }
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
  chosenAt = performance.now();
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
    status.showState("checking");
  }
  outbox.add("api/submit", item.key, body);
  status.count(care.shown.seconds);
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
  rest.feedback(feedback, given, last.item.modality, goOn);
  status.showState("");
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
  if (busy || isHeldUp()) return;
  const entry = outbox.takeOut();
  if (entry && last && last.id === entry.body.client_id) {
    reopen(last.item);
    return;
  }
  if (outbox.pending && outbox.state !== "sending") {
    status.notify(say("take_back_later"));
    return;
  }
  busy = true;
  try {
    if (!(await outbox.empty())) throw new Failure("away");
    const { item } = await post("api/take-back", {});
    const same = last && last.item.sample === item.sample && last.item.modality === item.modality;
    reopen(same && last ? { ...item, picture: last.item.picture } : Supply.prepare(item));
    void supply.heartbeat(); // what came after it may have been put back
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    status.notify(say(error.kind === "wrong" ? "take_back_none" : "take_back_later"));
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
    status.notify(say("taken_back", { grade: named }), "good");
  } else {
    status.notify(say("taken_back_item"), "good");
  }
  void refresh();
}

function skip() {
  const item = supply.current;
  if (!item || busy) return;
  chosenAt = performance.now();
  outbox.add("api/skip", item.key, { key: item.key, seconds: care.shown.seconds });
  item.picture?.release();
  status.count(care.shown.seconds);
  next();
  status.notify(say("skipped"), "good");
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
  rest.stopped(status.supportText(), takeBreak, goOn);
}

// Breaks

function offerBreak() {
  resting = "offer";
  view.closeItem();
  care.shown.pause();
  rest.offer(takeBreak, () => { care.later(); goOn(); });
}

function takeBreak() {
  resting = "pause";
  view.closeItem();
  care.shown.pause();
  care.since.reset();
  care.later();
  void post("api/break", {}).catch(() => {}); // who rests, rests; the server sees it without this
  rest.pause(5, status.supportText(), () => { care.since.reset(); goOn(); });
}

/** @param {string} why */
function showNothing(why) {
  status.showState("");
  if (dormant || (resting === "nothing" && reason === why)) return;
  resting = "nothing";
  reason = why;
  view.closeItem();
  rest.nothing(why, () => { status.showState("fetching"); void supply.fill(); }, () => void takeBack());
}

async function refresh() {
  sinceMe = 0;
  await status.refresh((notes, version) => {
    policy.setNotes(notes);
    if (policyVersion && version > policyVersion) status.notify(say("policy_new"), "bad");
    policyVersion = version;
  });
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

// The page

const channel = new BroadcastChannel(`vlsu-grade ${setup.me}`);
channel.onmessage = () => {
  dormant = true;
  supply.stop();
  view.closeItem();
  resting = "elsewhere";
  rest.elsewhere(begin);
};

/** Go on in this window; others stop. */
function begin() {
  channel.postMessage("mine");
  dormant = false;
  resting = "";
  rest.hide();
  status.showState("fetching");
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
keys.listen(actions({
  item: () => (rest.isOpen() || busy ? null : supply.current),
  step: () => nextStep(supply.current?.modality || "", draft),
  otherwise: () => otherwise,
  dialog: dialogs.open, takeBack, back, skip, set, chooseGrade, toggleAdmissible, nextConfidence, setOtherwise,
}), () => view.openNote(false));
dialogs.listen(stop);
oneClick(byId("main"));
byId("skip").addEventListener("click", skip);
byId("take-back").addEventListener("click", () => void takeBack());
setInterval(() => {
  if (care.idleFor() < DORMANT) void supply.heartbeat();
  void refresh();
}, HEARTBEAT);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") void supply.heartbeat();
});
care.keepTime(`vlsu-grade-time ${setup.me}`);
status.showSaved(outbox);
begin();
