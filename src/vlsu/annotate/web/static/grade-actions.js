// @ts-check
/** What each key does, at each step. */

import { data } from "./grade-dom.js";
import * as policy from "./grade-policy.js";
import * as reveal from "./grade-reveal.js";
import { GRADE_KEYS, digitOf, letterOf } from "./grade-steps.js";
import * as view from "./grade-view.js";

const setup = data("setup");

/**
 * @typedef {{
 *   item: () => import("./grade-supply.js").Item | null, step: () => import("./grade-steps.js").Step,
 *   otherwise: () => boolean, dialog: (id: string) => void, takeBack: () => Promise<void>,
 *   back: () => void, skip: () => void, set: (given: Record<string, string>) => void,
 *   chooseGrade: (grade: string) => void, toggleAdmissible: (grade: string) => void,
 *   nextConfidence: () => void, setOtherwise: (wanted: boolean) => void,
 * }} App
 */

/**
 * @param {App} app
 * @returns {(key: string, event: KeyboardEvent) => boolean} does what a key is for; whether it did
 */
export function actions(app) {
  /** @type {Record<string, () => void>} */
  const always = { "?": () => app.dialog("help"), z: () => void app.takeBack() };

  /** @param {1 | -1} by */
  function arrow(by) {
    if (app.step() !== "grade" || !view.scrollText(by * 0.2)) view.moveFocus(by);
  }

  /** @type {Record<string, () => void>} */
  const anyStep = {
    Escape: app.back,
    s: app.skip,
    n: () => view.openNote(true),
    p: () => policy.toggle(),
    "!": () => app.dialog("stop-dialog"),
    "+": () => reveal.enlarge(true),
    "=": () => reveal.enlarge(true),
    "-": () => reveal.enlarge(false),
    ArrowDown: () => arrow(1),
    ArrowUp: () => arrow(-1),
    PageDown: () => view.scrollText(0.9),
    PageUp: () => view.scrollText(-0.9),
  };

  /** @param {string} key */
  function onGrade(key) {
    const grade = view.grades.find((each) => GRADE_KEYS[each] === key);
    if (app.otherwise()) {
      if (grade && grade !== "not_sure") app.toggleAdmissible(grade);
      else if (key === "o" || key === "Enter") app.setOtherwise(false);
      return true;
    }
    if (grade) app.chooseGrade(grade);
    else if (key === "c") app.nextConfidence();
    else if (key === "o") app.setOtherwise(true);
    else return false;
    return true;
  }

  /** @param {string} key @param {boolean} only to read about it */
  function onCategory(key, only) {
    const found = view.categories.find((_, at) => letterOf(at) === key);
    if (!found) return false;
    if (only) policy.read(found.id);
    else app.set({ category: found.id });
    return true;
  }

  /** @param {"refers" | "because"} step @param {string} key */
  function onReason(step, key) {
    const names = /** @type {string[]} */ (setup[step]);
    const found = names.find((name, at) => digitOf(name, at) === key);
    if (found) app.set({ [step]: found });
    return Boolean(found);
  }

  return (key, event) => {
    if (always[key]) {
      always[key]();
      return true;
    }
    if (!app.item()) return false;
    if (anyStep[key]) {
      anyStep[key]();
      return true;
    }
    const step = app.step();
    if (step === "grade") return onGrade(key);
    if (step === "category") return onCategory(key, event.shiftKey);
    return step === "done" ? false : onReason(step, key);
  };
}
