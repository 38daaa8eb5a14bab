// @ts-check
/** Elements and strings of the page. Texts are only ever set as text, never as markup. */

/** @returns {HTMLElement} */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return found;
}

/** @param {string} id */
export const data = (id) => JSON.parse(byId(id).textContent || "null");

/** Strings of the page's language. @type {Record<string, string>} */
const strings = data("strings");

/**
 * A string of the page's language.
 * @param {string} name
 * @param {Record<string, string | number>} [values] for its parameters
 */
export function say(name, values = {}) {
  const text = strings[name];
  if (text === undefined) throw new Error(`no string ${name}`);
  return text.replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
}

/**
 * A new element.
 * @param {string} tag
 * @param {Record<string, any>} [about] attributes; `text` and functions (listeners) are set as such
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function make(tag, about = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(about)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (name === "text") made.textContent = value;
    else if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, String(value));
    }
  }
  made.append(...children);
  return made;
}

/**
 * A key, as it is shown beside what it does. Screen readers have it from `aria-keyshortcuts`.
 * @param {string} key
 */
export const cap = (key) => make("kbd", { "aria-hidden": "true", text: key });

/**
 * Have a double click of a mouse count as one: the second would fall on the next item, or the next
 * step. Fingers have no such habit, and who taps fast means each tap.
 * @param {HTMLElement} place
 */
export function oneClick(place) {
  place.addEventListener("click", (event) => {
    const touched = event instanceof PointerEvent && event.pointerType === "touch";
    if (event.detail > 1 && !touched) event.stopPropagation();
  }, { capture: true });
}

/** Say something to screen readers. @param {string} text */
export function announce(text) {
  const place = byId("announce");
  place.textContent = "";
  setTimeout(() => { place.textContent = text; }, 30);
}
