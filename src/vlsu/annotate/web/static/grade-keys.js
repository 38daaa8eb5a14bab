// @ts-check
/** The keyboard: what a key prints counts, not where it is. */

import * as rest from "./grade-rest.js";
import * as reveal from "./grade-reveal.js";

/**
 * What a key stands for. A keyboard that prints no Latin letters (or digits only with Shift) is read
 * by the place of its keys, since it has no other key for them.
 * @param {KeyboardEvent} event
 */
export function keyOf(event) {
  const { key, code, shiftKey } = event;
  if (key.length !== 1) return key;
  if (/[a-z]/i.test(key) && key.charCodeAt(0) < 128) return key.toLowerCase();
  if (/[0-9?!+=\- ]/.test(key)) return key;
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(code);
  if (digit && !shiftKey) return digit[1];
  const letter = /^Key([A-Z])$/.exec(code);
  return letter && key.charCodeAt(0) > 127 ? letter[1].toLowerCase() : key;
}

/** Whether a key is for what has the focus: a text field, a list, another button. @param {KeyboardEvent} event */
function isElsewhere(event) {
  const target = event.target instanceof Element ? event.target : null;
  if (!target) return false;
  if (target.closest("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio])")) {
    return true;
  }
  const pressable = target.closest("button, a, summary, input, [role=button]");
  return Boolean(pressable && pressable.id !== "show" && (event.key === " " || event.key === "Enter"));
}

/**
 * @param {(key: string, event: KeyboardEvent) => boolean} act does what a key is for; whether it did
 * @param {() => void} leave Escape in a text field
 */
export function listen(act, leave) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return;
    if (isElsewhere(event)) {
      const typing = event.target instanceof HTMLTextAreaElement;
      if (event.key === "Escape" && typing) {
        event.preventDefault();
        leave();
      }
      return;
    }
    const key = keyOf(event);
    if (rest.isOpen() && (key === "Enter" || key === " ")) {
      event.preventDefault();
      if (!event.repeat) rest.proceed();
      return;
    }
    if (key === " ") {
      if (event.target instanceof Element && event.target.id === "said" && !reveal.hasPicture()) return;
      event.preventDefault();
      if (!event.repeat) reveal.press(event.timeStamp);
      return;
    }
    const scrolls = ["ArrowUp", "ArrowDown", "PageUp", "PageDown"].includes(key);
    if (event.repeat && !scrolls) return;
    if (act(key, event)) event.preventDefault();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key !== " ") return;
    if (event.target instanceof Element && event.target.id === "show") event.preventDefault();
    reveal.release(event.timeStamp);
  });
}
