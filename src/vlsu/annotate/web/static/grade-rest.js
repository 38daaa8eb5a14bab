// @ts-check
/** What is shown when no item is: there is none, a break, feedback, after a stop. */

import { byId, cap, make, say } from "./grade-dom.js";
import { lineOf } from "./grade-policy.js";

const place = byId("rest");
let timer = 0;
/** What Enter and Space do. @type {(() => void) | null} */
let first = null;

/**
 * @typedef {{ name: string, does: () => void, key?: string }} Action
 * @param {string} title
 * @param {(string | Node)[]} body
 * @param {Action[]} [actions] the first is the one that Enter does
 */
export function show(title, body, actions = []) {
  clearInterval(timer);
  first = actions[0]?.does || null;
  place.replaceChildren(
    make("h2", { id: "rest-title", text: title }),
    ...body.map((each) => (typeof each === "string" ? make("p", { text: each }) : each)),
    make("div", { class: "row" }, ...actions.map((each, at) => make("button", {
      class: at === 0 ? "primary" : null, click: each.does, "aria-keyshortcuts": each.key,
    }, each.name, ...(each.key ? [" ", cap("⏎")] : [])))),
  );
  place.hidden = false;
  place.focus();
}

export function hide() {
  clearInterval(timer);
  first = null;
  place.hidden = true;
  place.replaceChildren();
}

export const isOpen = () => !place.hidden;

/** Do what is first among the actions, if there is any. */
export function proceed() {
  if (first) first();
}

/** There is no item. @param {string} why @param {() => void} look @param {() => void} take */
export function nothing(why, look, take) {
  const actions = ["consent", "role"].includes(why) ? [] : [{ name: say("look_again"), does: look }];
  if (why !== "held") actions.push({ name: say("take_back"), does: take });
  show(say(`none_${why}`), [say(`none_${why}_text`)], actions);
}

/** A break that counts down. @param {number} minutes @param {string} support @param {() => void} on */
export function pause(minutes, support, on) {
  const until = Date.now() + minutes * 60_000;
  const left = make("p", { class: "value", role: "timer" });
  const tick = () => {
    const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
    left.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    if (!seconds) {
      clearInterval(timer);
      left.textContent = say("pause_over");
    }
  };
  show(say("pause_title"), [left, say("pause_text"), make("p", { class: "muted", text: support, dir: "auto" })],
    [{ name: say("pause_end"), does: on }]);
  tick();
  timer = setInterval(tick, 1000);
}

/**
 * How the project grades a training item.
 * @param {{ correct: boolean, grade: string, category: string | null, note: string | null }} feedback
 * @param {{ grade: string, category: string | null }} given
 * @param {string} modality
 * @param {() => void} on
 */
export function feedback(feedback, given, modality, on) {
  const named = (/** @type {{ grade: string, category: string | null }} */ { grade, category }) =>
    say(`grade_${grade}`) + (category ? `, ${category}` : "");
  const language = { lang: document.documentElement.lang, dir: "auto" };
  const line = feedback.category
    ? lineOf(feedback.category, feedback.grade, modality) : lineOf("", feedback.grade, modality);
  show(say(feedback.correct ? "feedback_same" : "feedback_other"), [
    say("feedback_project", { grade: named(feedback) }),
    ...(feedback.correct ? [] : [say("feedback_you", { grade: named(given) })]),
    ...(line ? [make("blockquote", { class: "notice", text: line, dir: "auto" })] : []),
    ...(feedback.note ? [make("p", { ...language, text: feedback.note })] : []),
    make("p", { class: "muted small", text: say("feedback_about") }),
  ], [{ name: say("next"), does: on, key: "Enter" }]);
}
